"""The dashboard with real data: its queries, answered by Prometheus, as one image.

    python -m benchmarks.metrics_panels --prometheus /usr/bin/prometheus

Prometheus scrapes a worker and a process that defers, under a mixed load of some
minutes (``benchmarks/metrics_load.py``). The queries are those of the dashboard.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import requests
from trytond.config import config

from devtools.processes import Process, free_port, listens, script

DASHBOARD = Path("docs/how-to/grafana-dashboard.json")
TARGET = Path("docs/images/metrics-panels.png")
#: What Grafana puts in place of its variables.
_VARIABLES = {"$queue": ".*", "$__rate_interval": "15s", "1h": "10m"}
_COLUMNS = 3


def main() -> None:
    """Run the load, and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prometheus", default="prometheus")
    parser.add_argument("--seconds", type=int, default=180)
    parser.add_argument("--target", type=Path, default=TARGET)
    options = parser.parse_args()
    # Before trytond's backend is imported by anything.
    config.set("database", "uri", "postgresql://")
    dashboard = json.loads(DASHBOARD.read_text())
    with tempfile.TemporaryDirectory() as folder:
        begun_s = time.time()
        with _watched(Path(folder), options.prometheus, options.seconds) as url:
            draw(dashboard["panels"], url, begun_s, options.target)


@contextmanager
def _watched(folder: Path, prometheus: str, seconds: int) -> Iterator[str]:
    """A context in which all has run, and Prometheus still answers; its URL."""
    from benchmarks.services import PROJECT, services

    worker_port, web_port, port = free_port(), free_port(), free_port()
    loaded = {"broker": "sqs", "imports": "benchmarks.metrics_load"}
    with services(folder) as servers, servers.place(**loaded) as place:
        worker = [
            *(script("nereid-async"), "worker", "-d", place.database),
            *("--queue", "mail:3", "--queue", "reports:2", "--processes", "2"),
            *("--http", f"127.0.0.1:{worker_port}"),
        ]
        module = "benchmarks.metrics_load"
        load = [sys.executable, "-m", module, str(seconds), str(web_port)]
        started = {"env": place.env, "cwd": PROJECT}
        with (
            _prometheus(prometheus, folder, port, [worker_port, web_port]),
            Process(worker, folder / "worker.log", **started) as works,
        ):
            works.wait_until(lambda: listens(worker_port), "it answers", 60)
            with Process(load, folder / "load.log", **started) as loads:
                if loads.wait(seconds + 120):
                    raise SystemExit(loads.output)
            yield f"http://127.0.0.1:{port}"


def _prometheus(binary: str, folder: Path, port: int, targets: list[int]) -> Process:
    hosts = json.dumps([f"127.0.0.1:{target}" for target in targets])
    conf = folder / "prometheus.yml"
    conf.write_text(
        "global: {scrape_interval: 2s}\nscrape_configs:\n"
        f"  - {{job_name: shop, static_configs: [{{targets: {hosts}}}]}}\n"
    )
    command = [binary, f"--config.file={conf}", f"--storage.tsdb.path={folder}/tsdb"]
    command += [f"--web.listen-address=127.0.0.1:{port}"]
    return Process(command, folder / "prometheus.log")


def draw(panels: list[dict[str, Any]], url: str, begun_s: float, target: Path) -> None:
    """Draw all panels into one image."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    rows = math.ceil(len(panels) / _COLUMNS)
    figure, grid = pyplot.subplots(rows, _COLUMNS, figsize=(16, 3.1 * rows))
    for panel, axes in zip(panels, grid.flat, strict=False):
        for query in panel["targets"]:
            for name, at, values in _answered(url, query, begun_s):
                axes.plot(at, values, label=name, linewidth=1.2)
        _explain(axes, panel)
    figure.tight_layout()
    figure.savefig(target, dpi=75, metadata={"Software": None})


def _explain(axes: Any, panel: dict[str, Any]) -> None:
    from matplotlib.dates import DateFormatter
    from matplotlib.ticker import MaxNLocator

    unit = panel["fieldConfig"]["defaults"]["unit"]
    shown = {"s": "seconds", "ops": "a second", "percentunit": "share"}.get(unit, "")
    axes.set_title(panel["title"], loc="left", fontsize=10)
    axes.set_ylabel(shown, fontsize=8)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M:%S"))
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.lines:
        axes.legend(fontsize=6.5, frameon=False, loc="upper left")


def _answered(
    url: str, query: dict[str, Any], begun_s: float
) -> list[tuple[str, list[datetime], list[float]]]:
    """The series of a query: name, times and values."""
    expression = query["expr"]
    for name, value in _VARIABLES.items():
        expression = expression.replace(name, value)
    answer = requests.get(
        f"{url}/api/v1/query_range",
        params={
            "query": expression,
            "start": str(begun_s),
            "end": str(time.time()),
            "step": "2",
        },
        timeout=30,
    ).json()
    if answer["status"] != "success":
        raise SystemExit(f"{expression}: {answer}")
    found = []
    for series in answer["data"]["result"]:
        legend = query["legendFormat"]
        for label, value in series["metric"].items():
            legend = legend.replace(f"{{{{{label}}}}}", value)
        at = [datetime.fromtimestamp(at_s) for at_s, _ in series["values"]]
        values = [float(value) for _, value in series["values"]]
        found.append((legend, at, values))
    return found


if __name__ == "__main__":
    main()
