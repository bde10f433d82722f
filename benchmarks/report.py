"""The figures of a run as text, and as charts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.bars import bars
from benchmarks.charts import draw
from benchmarks.field import ALL
from benchmarks.figures import Figures
from benchmarks.machine import machine
from benchmarks.run import Results

Rows = Sequence[Sequence[str]]


def print_report(results: Results) -> None:
    """Print all tables."""
    print()
    print(_text(results))


def write_report(results: Results, target: Path) -> None:
    """Write tables and charts into a folder."""
    target.mkdir(parents=True, exist_ok=True)
    (target / "figures.rst").write_text(_text(results))
    draw(Figures(results), target)


def _text(results: Results) -> str:
    figures = Figures(results)
    parts = [
        "Figures\n=======",
        "Written by ``make bench``; only figures of one run can be compared. "
        f"Medians of {results.rounds} round(s).",
        _section("Machine", "\n".join(f"- {line}" for line in machine())),
        _section("What was asked for", _marked("bars", _bars(figures))),
        _section("Workers", _marked("workers", _workers(figures))),
        _section("What a task costs", _marked("costs", _costs(figures))),
        _section("Calls of SQS a task, by operation", _calls(figures)),
        _section("What a request pays", _requests(figures)),
        _section("Many at once", _marked("many", _many(figures))),
        _section("Memory and calls while idle", _resources(figures)),
        _section("Polls", _polls(figures)),
        _section("Rows in async.task", _growth(figures)),
        _section("Due rows", _backlog(figures)),
    ]
    if results.processes:
        parts.append(_section("Worker processes", _processes(figures)))
    parts += [
        _section("Plans beside the most rows", _plans(results)),
        _section("How the contenders were set", _configurations()),
    ]
    return "\n\n".join(parts) + "\n"


def _section(title: str, text: str) -> str:
    return f"{title}\n{'-' * len(title)}\n\n{text}"


def _marked(name: str, text: str) -> str:
    """A text that docs/explanation/performance.rst includes by these comments."""
    return f".. {name}: begin\n\n{text}\n\n.. {name}: end"


def table(heads: Sequence[str], rows: Rows) -> str:
    """A table as reStructuredText has it, and readable as it is."""
    lines = [list(heads), *[list(row) for row in rows]]
    widths = [max(3, *(len(line[i]) for line in lines)) for i in range(len(heads))]
    rule = "  ".join("=" * width for width in widths)

    def written(line: Sequence[str]) -> str:
        cells = (
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        return "  ".join(cells).rstrip()

    body = [written(line) for line in lines[1:]]
    return "\n".join([rule, written(lines[0]), rule, *body, rule])


def number(value: float | None, digits: int = 1) -> str:
    """A figure for a table; a dash for none."""
    if value is None or value != value:
        return "-"
    return f"{value:,.{digits}f}"


def _bars(figures: Figures) -> str:
    return table(
        ["bar", "asked for", "measured", "reached"],
        [
            [
                bar.what,
                f"{bar.sign} {number(bar.limit, 2)}",
                number(bar.value, 2),
                "yes" if bar.reached else "no",
            ]
            for bar in bars(figures)
        ],
    )


def _workers(figures: Figures) -> str:
    rows = []
    for it in figures.contenders:
        rows.append(
            [
                it,
                number(figures.rate(it, "tiny"), 0),
                number(figures.of_bare(it), 2),
                number(figures.rate(it, "tiny x2"), 0),
                number(figures.rate(it, "nothing"), 0),
                number(figures.rate(it, "long"), 0),
                number(figures.calls(it, "tiny"), 2),
                number(figures.p50_ms(it)),
                number(figures.p99_ms(it)),
                number(figures.pss_mb(it), 0),
            ]
        )
    return (
        "Tasks a second of one process, and of two, each with the threads that its "
        "name says, or that\nit comes with (the last section has them); SQS calls on "
        "the worker's side; milliseconds from\nsending to the start of a task, while "
        "nothing else is to be done; memory under load (PSS).\n*tiny* writes a row, "
        "*nothing* does nothing, *long* takes 20 ms and writes a row, in one\nprocess "
        "of 8 threads, whoever it is.\n\n"
    ) + table(
        [
            "contender",
            "tiny/s",
            "of bare",
            "2 processes",
            "nothing/s",
            "long/s",
            "calls/task",
            "p50 ms",
            "p99 ms",
            "MB",
        ],
        rows,
    )


def _costs(figures: Figures) -> str:
    rows = []
    for it in figures.contenders:
        costs = figures.costs(it)
        if costs:
            rows.append(
                [
                    it,
                    number(costs["worker_ms"], 2),
                    number(figures.cost_of_bare(it, "worker_ms"), 2),
                    number(costs["postgresql_ms"], 2),
                    number(figures.cost_of_bare(it, "postgresql_ms"), 2),
                    number(costs["wal_bytes"], 0),
                    number(costs["rows"], 1),
                    number(costs["hot_updates"], 1),
                ]
            )
    return (
        "Processor time of a tiny task, user and system, of all processes of one "
        "worker and of\nPostgreSQL; bytes of PostgreSQL's log; rows that it inserts, "
        "updates or deletes while the task\nruns, and of those the updates that "
        "changed no index (heap-only tuples).\n\n"
    ) + table(
        [
            "contender",
            "worker ms",
            "of bare",
            "PostgreSQL ms",
            "of bare",
            "log bytes",
            "rows",
            "hot",
        ],
        rows,
    )


def _calls(figures: Figures) -> str:
    rows = []
    for it in figures.contenders:
        for name, value in figures.calls_by_operation(it, "tiny").items():
            if value >= 0.005:
                rows.append([it, name, number(value, 2)])
    return table(["contender, worker side, tiny", "operation", "calls/task"], rows)


def _requests(figures: Figures) -> str:
    heads = ["milliseconds", "none", "one more", "ten more", "a hundred more"]
    rows = [
        [
            name,
            number(it.none_ms, 2),
            number(it.one_ms, 2),
            number(it.ten_ms, 2),
            number(it.hundred_ms, 2),
        ]
        for name, it in figures.requests.items()
    ]
    text = (
        "A transaction that writes a row (*none*), and what enqueuing one task, ten "
        "or a hundred, adds.\n\n"
    ) + table(heads, rows)
    if figures.results.views:
        text += "\n\nThe same in a Nereid view.\n\n" + table(
            ["milliseconds", "no extension", *heads[1:]],
            [
                [
                    name,
                    number(it.without_ms, 1),
                    number(it.none_ms, 1),
                    number(it.one_ms - it.none_ms, 1),
                    number(it.ten_ms - it.none_ms, 1),
                    number(it.hundred_ms - it.none_ms, 1),
                ]
                for name, it in figures.results.views.items()
            ],
        )
    sending = figures.results.sending
    return (
        text
        + "\n\nCalls of SQS a task while 8 threads ask for one each.\n\n"
        + (
            table(
                ["sender", "calls/task"],
                [[k, number(v, 2)] for k, v in sending.items()],
            )
        )
    )


def _resources(figures: Figures) -> str:
    counts = figures.results.plan.memory
    memory = table(
        ["MB (PSS) by processes", *map(str, counts)],
        [
            [name, *[number(by.get(n), 0) for n in counts]]
            for name, by in figures.results.memory.items()
        ],
    )
    idle = table(
        ["idle, 2 processes", "calls/minute"],
        [[it, number(sum(c.values()))] for it, c in figures.results.idle.items()],
    )
    return f"{memory}\n\n{idle}"


def _polls(figures: Figures) -> str:
    return table(
        ["request", "per second", "transactions", "statements"],
        [
            [name, number(rate, 0), number(begun), number(asked)]
            for name, (rate, begun, asked) in figures.results.polls.items()
        ],
    )


def _many(figures: Figures) -> str:
    many = figures.results.many
    saved_ms = many["records, saved one by one"]["cpu_ms"]
    return (
        "5,000 in one transaction, with its commit; the last column is processor time "
        "of the\nthread, as a part of the first line's.\n\n"
    ) + table(
        ["what", "ms", "CPU ms", "of saved"],
        [
            [
                name,
                number(it["ms"], 0),
                number(it["cpu_ms"], 0),
                number(it["cpu_ms"] / saved_ms, 2),
            ]
            for name, it in many.items()
        ],
    )


def _growth(figures: Figures) -> str:
    medians = figures.results.growth["medians_ms"]
    counts = list(medians)
    names = list(medians[counts[0]])
    return "Milliseconds, medians.\n\n" + table(
        ["rows that are done", *[f"{int(n):,}" for n in counts]],
        [[name, *[number(medians[n][name], 2) for n in counts]] for name in names],
    )


def _backlog(figures: Figures) -> str:
    return (
        "Milliseconds of a claim of ten, medians; five queues, half of the rows of a "
        "thousand groups.\n\n"
    ) + table(
        ["due rows", "ms"],
        [[f"{int(n):,}", number(ms, 2)] for n, ms in figures.results.backlog.items()],
    )


def _processes(figures: Figures) -> str:
    counts = figures.results.plan.processes
    return "Tiny tasks a second, on the cores named above.\n\n" + table(
        ["processes", *map(str, counts)],
        [
            [name, *[number(by.get(n), 0) for n in counts]]
            for name, by in figures.results.processes.items()
        ],
    )


def _plans(results: Results) -> str:
    parts = []
    for name, plan in results.growth["plans"].items():
        lines = "\n".join(f"    {line[:160]}" for line in plan.splitlines())
        parts.append(f"{name}::\n\n{lines}")
    return "\n\n".join(parts)


def _configurations() -> str:
    return "\n".join(f"- {it.name}: {it.configuration}." for it in ALL)
