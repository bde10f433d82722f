"""Ours and the peers on the same work, in one run.

    python -m benchmarks            all of it, half an hour, into TARGET
    python -m benchmarks --quick    less of it, printed only (some minutes)

Nothing else should run on the machine meanwhile. Contenders take their turns in each
round, and what is told are medians; only what was measured in one run is comparable.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from trytond.config import config

#: Where the figures and the charts go.
TARGET = Path("docs/explanation/performance")


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--target", type=Path, default=TARGET)
    options = parser.parse_args()
    # Before trytond's backend is imported by anything.
    config.set("database", "uri", "postgresql://")
    from benchmarks.plan import FULL, QUICK
    from benchmarks.report import print_report, write_report
    from benchmarks.run import measure
    from benchmarks.services import services

    plan = QUICK if options.quick else FULL
    with tempfile.TemporaryDirectory() as folder, services(Path(folder)) as servers:
        results = measure(
            servers,
            plan,
            lambda so_far: (
                None if options.quick else write_report(so_far, options.target)
            ),
        )
    print_report(results)


if __name__ == "__main__":
    main()
