"""Charts of a run as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.figures import Figures

_OURS, _OTHERS = "#1f6f8b", "#b9c2c7"


def draw(figures: Figures, target: Path) -> None:
    """Write all charts into a folder."""
    import matplotlib

    matplotlib.use("svg")
    # The same figures make the same file.
    matplotlib.rcParams["svg.hashsalt"] = "nereid_async"
    names = figures.contenders
    _bars(
        target / "throughput.svg",
        "Tiny tasks a second, one process",
        {name: figures.rate(name, "tiny") for name in names},
    )
    _bars(
        target / "calls.svg",
        "SQS calls a task on the worker's side",
        {name: figures.calls(name, "tiny") for name in names},
    )
    _bars(
        target / "requests.svg",
        "What one task adds to a request, in ms",
        {name: price.one_ms for name, price in figures.requests.items()},
    )
    medians = figures.results.growth["medians_ms"]
    counts = list(medians)
    _lines(
        target / "growth.svg",
        "Milliseconds beside so many rows that are done",
        [int(count) for count in counts],
        {name: [medians[n][name] for n in counts] for name in medians[counts[0]]},
    )


def _bars(path: Path, title: str, values: Mapping[str, float | None]) -> None:
    from matplotlib import pyplot

    shown = {name: value for name, value in values.items() if value}
    names = list(shown)[::-1]
    figure, axes = pyplot.subplots(figsize=(8, 0.4 * len(names) + 1))
    drawn = axes.barh(
        names,
        [shown[name] for name in names],
        color=[_OURS if "nereid_async" in name else _OTHERS for name in names],
    )
    axes.bar_label(drawn, fmt="{:,.3g}", padding=4)
    axes.margins(x=0.12)
    axes.set_title(title, loc="left")
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.xaxis.set_visible(False)
    _save(figure, path)


def _lines(
    path: Path, title: str, x: Sequence[int], series: Mapping[str, Sequence[float]]
) -> None:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4))
    for name, y in series.items():
        axes.plot(x, y, marker="o", label=name)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_title(title, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    # Below: above it would lie on the lines.
    axes.legend(
        frameon=False,
        fontsize="small",
        ncols=4,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.1),
    )
    _save(figure, path)


def _save(figure: object, path: Path) -> None:
    from matplotlib import pyplot
    from matplotlib.figure import Figure

    assert isinstance(figure, Figure)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)
