"""Serve the shop: ``python -m example_app.serve --port 5000``."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from types import FrameType

HOST = "127.0.0.1"
THREADS = 8


def main(arguments: list[str] | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C; requests that run are finished first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=5000)
    port = parser.parse_args(arguments).port

    import waitress

    from nereid_async.errors import NereidAsyncError

    from . import create_app
    from .folder import NotSetUp

    signal.signal(signal.SIGTERM, _stop)
    # More visitors than threads: they wait a little, which is nothing to report.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    try:
        app = create_app()
    except (NotSetUp, NereidAsyncError) as error:
        sys.exit(f"Error: {error}")
    waitress.serve(app, host=HOST, port=port, threads=THREADS)


def _stop(number: int, frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
