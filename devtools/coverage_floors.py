"""How many lines the tests reach, by folder; it fails where they are too few.

``make coverage`` runs it on the report that coverage wrote as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

#: The lowest percentage of lines for each folder.
FLOORS = {"nereid_async": 90, "nereid_async/messages": 100, "nereid_async/rows": 100}


def lines_below(folder: str, files: dict[str, Any]) -> tuple[int, int]:
    """How many lines there are in a folder, and how many of them were run.

    :param files: the part "files" of coverage's report.
    """
    summaries = [
        report["summary"]
        for path, report in files.items()
        if path.startswith(f"{folder}/")
    ]
    return (
        sum(summary["num_statements"] for summary in summaries),
        sum(summary["covered_lines"] for summary in summaries),
    )


def main(path: Path) -> int:
    """Print a line a folder.

    :return: the exit status, 1 if a folder is below its floor or has no file.
    """
    files = json.loads(path.read_text())["files"]
    status = 0
    for folder, floor in FLOORS.items():
        total, run = lines_below(folder, files)
        enough = total > 0 and run * 100 >= floor * total
        share = 100 * run / total if total else 0
        verdict = "" if enough else "  TOO FEW"
        print(f"{folder}: {share:.2f} % of {total} lines (at least {floor}){verdict}")
        status |= not enough
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
