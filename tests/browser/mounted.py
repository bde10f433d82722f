"""The example shop below a path: ``python -m tests.browser.mounted PORT``."""

from __future__ import annotations

import sys

PATH = "/shop"


def main() -> None:
    """Serve it, on the data folder that EXAMPLE_DATA names."""
    import waitress
    from werkzeug.exceptions import NotFound
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    from example_app import create_app

    app = create_app()
    app.wsgi_app = DispatcherMiddleware(NotFound(), {PATH: app.wsgi_app})
    waitress.serve(app, host="127.0.0.1", port=int(sys.argv[1]), threads=4)


if __name__ == "__main__":
    main()
