"""One run of pytest, two databases: a pytest plugin.

trytond picks its database backend once, when it is imported, so one process can only
test one. Every test that uses the fixture ``backend`` exists once for SQLite and once
for PostgreSQL; this process runs the former, and hands the latter to a second pytest
process that runs at the same time. What that one reports is counted and shown here as
if it had run here, so that there is one summary and one exit status.

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

#: How long the second process may be silent before it is taken for stuck.
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
        help="the databases to test on (default: all, PostgreSQL in a second process)",
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


class Remote:
    """The tests that the second process runs."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._items: list[pytest.Item] = []
        self._process: Process | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._events: queue.Queue[tuple[str, Any] | None] = queue.Queue()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if self._config.option.collectonly or session.testsfailed:
            return
        here = self._config.stash[local_backend]
        self._items = [
            item for item in session.items if _backend_of(item, here) != here
        ]
        if self._items:
            self._start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Iterator[None]:
        remote = set(self._items)
        session.items = [item for item in session.items if item not in remote]
        try:
            result = yield
            if self._items:
                self._collect(session)
            return result
        finally:
            self._stop()

    def _start(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="nereid-async-tests-")
        folder = Path(self._folder.name)
        listed = folder / "listed"
        listed.write_text("\n".join(item.nodeid for item in self._items))
        reading, writing = os.pipe()
        option = self._config.option
        profile = getattr(option, "hypothesis_profile", None)
        reruns = getattr(option, "reruns", None)
        command = [
            sys.executable, "-m", "pytest", "--database=postgresql",
            f"--report-to={writing}", f"--only-listed={listed}",
            f"--rootdir={self._config.rootpath}", f"--tb={option.tbstyle}",
            *(["-c", str(self._config.inipath)] if self._config.inipath else []),
            *(["-l"] if option.showlocals else []),
            *([f"--hypothesis-profile={profile}"] if profile else []),
            *([f"--reruns={reruns}"] if reruns else []),
            *(word for one in option.override_ini or [] for word in ("-o", one)),
            *(word for one in option.pythonwarnings or [] for word in ("-W", one)),
            *(word for one in option.plugins or [] for word in ("-p", one)),
            *self._config.args,
        ]  # fmt: skip
        self._process = Process(
            command,
            folder / "log",
            cwd=self._config.invocation_params.dir,
            pass_fds=[writing],
            stop_signal=signal.SIGINT,
        )
        os.close(writing)
        threading.Thread(target=self._read, args=(reading,), daemon=True).start()

    def _read(self, reading: int) -> None:
        with os.fdopen(reading, encoding="utf-8") as stream:
            for line in stream:
                nodeid, data = json.loads(line)
                self._events.put((nodeid, data))
        self._events.put(None)

    def _collect(self, session: pytest.Session) -> None:
        # In the order of this process's list; the other one may run in another.
        waiting = {item.nodeid: item for item in self._items}
        reports: dict[str, list[pytest.TestReport]] = defaultdict(list)
        while waiting:
            event = self._next_event()
            if event is None:
                break
            nodeid, data = event
            if data is not None:
                report = self._config.hook.pytest_report_from_serializable(
                    config=self._config, data=data
                )
                if isinstance(report.longrepr, list):
                    # A skip: JSON knows no tuples.
                    report.longrepr = tuple(report.longrepr)
                reports[nodeid].append(report)
            elif item := waiting.get(nodeid):
                attempt = reports.pop(nodeid, [])
                _log(item, attempt)
                # Of pytest-rerunfailures: there is another one to come.
                if all(str(report.outcome) != "rerun" for report in attempt):
                    del waiting[nodeid]
                _stop_if_asked(session)
        for item in waiting.values():
            _log(item, [self._not_run(item)])
            _stop_if_asked(session)

    def _next_event(self) -> tuple[str, Any] | None:
        try:
            return self._events.get(timeout=SILENCE_S)
        except queue.Empty:
            return None

    def _not_run(self, item: pytest.Item) -> pytest.TestReport:
        assert self._process is not None
        try:
            state = f"ended with {self._process.wait(10)}"
        except ProcessFailed:
            state = "is silent"
        return pytest.TestReport(
            item.nodeid,
            item.location,
            {},
            "failed",
            f"The second pytest process {state} before it finished this test:\n"
            + self._process.output[-8000:],
            "call",
        )

    def _stop(self) -> None:
        if self._process is not None:
            self._process.stop(30)
        if self._folder is not None:
            self._folder.cleanup()


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
