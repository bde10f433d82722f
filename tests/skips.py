"""In CI nothing may be skipped: a pytest plugin that makes a skip a failure."""

from __future__ import annotations

import pytest

from devtools.missing import in_ci


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    if in_ci() and skipped:
        terminalreporter.section("skipped, which CI does not allow", red=True)
        for report in skipped:
            reason = report.longrepr
            text = reason[2] if isinstance(reason, tuple) else reason
            terminalreporter.line(f"{report.nodeid}: {text}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter is not None and reporter.stats.get("skipped")
    if in_ci() and skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
