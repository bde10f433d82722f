"""The command line of what is measured beside ever more rows."""

from __future__ import annotations

import argparse
from pathlib import Path


def asked_for(description: str | None) -> tuple[Path, dict[str, str]]:
    """Where the result goes, and the databases by the numbers of their rows."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("result", type=Path)
    parser.add_argument("databases", nargs="+", metavar="ROWS=DATABASE")
    options = parser.parse_args()
    pairs = (it.partition("=") for it in options.databases)
    return options.result, {number: database for number, _, database in pairs}
