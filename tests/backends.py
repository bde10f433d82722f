"""One run of pytest, two databases: a pytest plugin.

trytond picks its database backend once, when it is imported, so one process can only
test one. Every test that uses the fixture ``backend`` exists once for SQLite and once
for PostgreSQL; this process runs the former, and hands the latter to another pytest
process that runs at the same time. What starts processes waits most of the time, so it
has a process of its own on each database. What the others report is counted and shown
here as if it had run here, so that there is one summary and one exit status.

``--database=sqlite`` or ``--database=postgresql`` runs one of them, in this process.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devtools.processes import Process, ProcessFailed

BACKENDS = ("sqlite", "postgresql")

_WAITS = ("tests/acceptance/", "tests/browser/", "tests/chaos/", "tests/client_tryton/")
#: The folders that have a process of their own on each database: those whose tests wait
#: for what they have started, and as many others as make both take about as long.
APART = {
    "sqlite": (
        *_WAITS,
        "tests/contract/",
        "tests/docs/",
        "tests/fuzz/",
        "tests/types/",
    ),
    "postgresql": _WAITS,
}

#: How long all other processes may be silent before one is taken for stuck.
SILENCE_S = 300

#: The developer's own configuration of trytond, which is none of the tests'.
_SETTINGS = ("TRYTOND_CONFIG", "TRYTOND_DATABASE_URI")

local_backend = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("nereid_async")
    group.addoption(
        "--database",
        choices=("all", *BACKENDS),
        default="all",
        help="the databases to test on (default: all, in several processes)",
    )
    group.addoption("--report-to", type=int, metavar="FD", help="used internally")
    group.addoption("--only-listed", metavar="FILE", help="used internally")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "backends(*names): the databases a test is for (default: all)"
    )
    choice = config.getoption("--database")
    backend = BACKENDS[0] if choice == "all" else choice
    config.stash[local_backend] = backend
    _choose_for_trytond(backend)
    # It is for this run, not for those that tests start.
    os.environ.pop("PYTEST_ADDOPTS", None)
    if choice == "all":
        config.pluginmanager.register(Remote(config), "nereid_async-remote")
    if (fd := config.getoption("--report-to")) is not None:
        config.pluginmanager.register(Reporter(config, fd), "nereid_async-reporter")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" not in metafunc.fixturenames:
        return
    choice = metafunc.config.getoption("--database")
    names: tuple[str, ...] = BACKENDS if choice == "all" else (choice,)
    marker = metafunc.definition.get_closest_marker("backends")
    if marker is not None:
        names = tuple(name for name in names if name in marker.args)
    metafunc.parametrize("backend", names, indirect=True, scope="session")


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    listed = config.getoption("--only-listed")
    if listed is not None:
        wanted = set(Path(listed).read_text().splitlines())
        items[:] = [item for item in items if item.nodeid in wanted]


def _choose_for_trytond(backend: str) -> None:
    # Before trytond.backend is imported; the full address comes with the fixtures.
    for name in list(os.environ):
        if name.startswith("TRYTOND_") and ("__" in name or name in _SETTINGS):
            del os.environ[name]
    from nereid_async.tryton_config import config

    assert "trytond.backend" not in sys.modules, "imported before pytest's plugins"
    config.set("database", "uri", f"{backend}://")


class Reporter:
    """Tells the process that started this one what happens here."""

    def __init__(self, config: pytest.Config, fd: int) -> None:
        self._config = config
        self._stream = os.fdopen(fd, "w", encoding="utf-8")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(
            config=self._config, report=report
        )
        self._tell(report.nodeid, data)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._tell(nodeid, None)

    def _tell(self, nodeid: str, data: Any) -> None:
        print(json.dumps([nodeid, data], default=str), file=self._stream, flush=True)


class Part:
    """The tests that another process runs, on one database.

    :param events: takes what it reports, and None when it has ended.
    """

    def __init__(
        self,
        config: pytest.Config,
        backend: str,
        items: list[pytest.Item],
        events: queue.Queue[tuple[str, Any] | None],
    ) -> None:
        self._config = config
        self._events = events
        self._folder = tempfile.TemporaryDirectory(prefix="nereid-async-tests-")
        folder = Path(self._folder.name)
        listed = folder / "listed"
        listed.write_text("\n".join(item.nodeid for item in items))
        reading, writing = os.pipe()
        self._process = Process(
            self._command(backend, writing, listed),
            folder / "log",
            cwd=config.invocation_params.dir,
            pass_fds=[writing],
            stop_signal=signal.SIGINT,
        )
        os.close(writing)
        threading.Thread(target=self._read, args=(reading,), daemon=True).start()

    def _command(self, backend: str, writing: int, listed: Path) -> list[str]:
        config, option = self._config, self._config.option
        profile = getattr(option, "hypothesis_profile", None)
        reruns = getattr(option, "reruns", None)
        return [
            sys.executable, "-m", "pytest", f"--database={backend}",
            f"--report-to={writing}", f"--only-listed={listed}",
            f"--rootdir={config.rootpath}", f"--tb={option.tbstyle}",
            *(["-c", str(config.inipath)] if config.inipath else []),
            *(["-l"] if option.showlocals else []),
            *([f"--hypothesis-profile={profile}"] if profile else []),
            *([f"--reruns={reruns}"] if reruns else []),
            *(word for one in option.override_ini or [] for word in ("-o", one)),
            *(word for one in option.pythonwarnings or [] for word in ("-W", one)),
            *(word for one in option.plugins or [] for word in ("-p", one)),
            *config.args,
        ]  # fmt: skip

    def _read(self, reading: int) -> None:
        with os.fdopen(reading, encoding="utf-8") as stream:
            for line in stream:
                nodeid, data = json.loads(line)
                self._events.put((nodeid, data))
        self._events.put(None)

    def not_run(self, item: pytest.Item) -> pytest.TestReport:
        """The report on a test that the process has not come to."""
        try:
            state = f"ended with {self._process.wait(10)}"
        except ProcessFailed:
            state = "is silent"
        return pytest.TestReport(
            item.nodeid,
            item.location,
            {},
            "failed",
            f"Another pytest process {state} before it finished this test:\n"
            + self._process.output[-8000:],
            "call",
        )

    def stop(self) -> None:
        """End the process."""
        self._process.stop(30)
        self._folder.cleanup()


class Remote:
    """The tests that other processes run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._events: queue.Queue[tuple[str, Any] | None] = queue.Queue()
        self._parts: list[Part] = []
        self._part_of: dict[pytest.Item, Part] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if self._config.option.collectonly or session.testsfailed:
            return
        here = self._config.stash[local_backend]
        groups = defaultdict(list)
        for item in session.items:
            backend = _backend_of(item, here)
            groups[backend, item.nodeid.startswith(APART[backend])].append(item)
        # One of this process's own, if there are any.
        for key in ((here, False), (here, True)):
            if groups.pop(key, None):
                break
        for (backend, _), items in groups.items():
            part = Part(self._config, backend, items, self._events)
            self._parts.append(part)
            self._part_of |= dict.fromkeys(items, part)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Iterator[None]:
        session.items = [it for it in session.items if it not in self._part_of]
        try:
            result = yield
            if self._parts:
                self._collect(session)
            return result
        finally:
            for part in self._parts:
                part.stop()

    def _collect(self, session: pytest.Session) -> None:
        waiting = {item.nodeid: item for item in self._part_of}
        reports: dict[str, list[pytest.TestReport]] = defaultdict(list)
        at_work = len(self._parts)
        while waiting and at_work:
            try:
                event = self._events.get(timeout=SILENCE_S)
            except queue.Empty:
                break
            if event is None:
                at_work -= 1
                continue
            nodeid, data = event
            if data is not None:
                reports[nodeid].append(self._report(data))
            elif item := waiting.get(nodeid):
                attempt = reports.pop(nodeid, [])
                _log(item, attempt)
                # Of pytest-rerunfailures: there is another one to come.
                if all(str(report.outcome) != "rerun" for report in attempt):
                    del waiting[nodeid]
                _stop_if_asked(session)
        for item in waiting.values():
            _log(item, [self._part_of[item].not_run(item)])
            _stop_if_asked(session)

    def _report(self, data: Any) -> pytest.TestReport:
        report: pytest.TestReport = self._config.hook.pytest_report_from_serializable(
            config=self._config, data=data
        )
        if isinstance(report.longrepr, list):
            # A skip: JSON knows no tuples.
            report.longrepr = tuple(report.longrepr)
        return report


def _backend_of(item: pytest.Item, default: str) -> str:
    callspec = getattr(item, "callspec", None)
    return str(callspec.params.get("backend", default)) if callspec else default


def _log(item: pytest.Item, reports: list[pytest.TestReport]) -> None:
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)


def _stop_if_asked(session: pytest.Session) -> None:
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)
