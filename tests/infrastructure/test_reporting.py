"""One run tests both databases and tells the truth about both."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]

SAMPLE = """
import os
import pytest
from devtools.missing import missing


@pytest.fixture(scope="session")
def backend(request):
    return request.param


def test_pid(backend, record_property):
    print("pid of", backend, os.getpid())


def test_fails_on_one(backend):
    assert backend == "sqlite"


@pytest.mark.backends("postgresql")
def test_exits(backend):
    if os.environ.get("SAMPLE_EXITS"):
        os._exit(7)


def test_fails_once(backend, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "times"
    folder.mkdir(exist_ok=True)
    number = len(list(folder.iterdir()))
    (folder / str(number)).touch()
    assert number > 0 or not os.environ.get("SAMPLE_FAILS_ONCE"), f"time {number}"


def test_skipped(backend):
    if os.environ.get("SAMPLE_SKIPS"):
        missing("a thing")
"""


def run_pytest(folder: Path, *arguments: str, **env: str) -> tuple[int, str]:
    (folder / "test_sample.py").write_text(SAMPLE)
    command = [
        sys.executable, "-m", "pytest", "-p", "tests.backends", "-p", "tests.skips",
        "-p", "no:cacheprovider", "-rA", "--rootdir", str(folder), *arguments,
    ]  # fmt: skip
    clean = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run(
        [*command, "test_sample.py"],
        cwd=folder,
        env={
            **clean,
            "PYTHONPATH": str(PROJECT),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            **env,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout + done.stderr


def test_both_are_run_and_counted(tmp_path: Path) -> None:
    status, output = run_pytest(tmp_path)
    assert status == 1, output
    assert "1 failed, 8 passed" in output
    assert "FAILED test_sample.py::test_fails_on_one[postgresql]" in output
    assert "assert 'postgresql' == 'sqlite'" in output
    pids = re.findall(r"pid of \w+ (\d+)", output)
    assert len(set(pids)) == 2


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_one_alone(tmp_path: Path, database: str) -> None:
    status, output = run_pytest(tmp_path, f"--database={database}", "-k", "pid")
    assert status == 0, output
    assert f"test_pid[{database}]" in output
    assert "1 passed" in output


def test_selection_reaches_the_other_process(tmp_path: Path) -> None:
    status, output = run_pytest(tmp_path, "-k", "pid")
    assert status == 0, output
    assert "2 passed" in output


def test_one_that_fails_once_is_run_again_in_either_process(tmp_path: Path) -> None:
    arguments = ("-k", "fails_once", "-p", "pytest_rerunfailures")
    status, output = run_pytest(tmp_path, *arguments, SAMPLE_FAILS_ONCE="1")
    assert status == 1, output
    assert "2 failed" in output
    again = {"SAMPLE_FAILS_ONCE": "1", "PYTEST_ADDOPTS": "--reruns=1"}
    status, output = run_pytest(tmp_path, *arguments, "-rR", **again)
    assert status == 0, output
    assert "2 passed" in output
    assert "2 rerun" in output
    assert "RERUN test_sample.py::test_fails_once[sqlite]" in output
    assert "RERUN test_sample.py::test_fails_once[postgresql]" in output


def test_what_starts_processes_has_a_process_of_its_own(tmp_path: Path) -> None:
    apart = tmp_path / "tests" / "acceptance"
    apart.mkdir(parents=True)
    (apart / "test_apart.py").write_text(SAMPLE)
    status, output = run_pytest(tmp_path, str(apart), "-k", "pid")
    assert status == 0, output
    assert "4 passed" in output
    assert len(set(re.findall(r"pid of \w+ (\d+)", output))) == 4
    status, output = run_pytest(tmp_path, "tests/acceptance", "-k", "pid and apart")
    assert status == 0, output
    assert len(set(re.findall(r"pid of \w+ (\d+)", output))) == 2


def test_a_dead_process_is_a_failure(tmp_path: Path) -> None:
    status, output = run_pytest(tmp_path, "-k", "exits or skipped", SAMPLE_EXITS="1")
    assert status == 1, output
    assert "ended with 7 before it finished this test" in output
    assert "FAILED test_sample.py::test_exits[postgresql]" in output


def test_a_skip_passes_at_home_and_fails_in_ci(tmp_path: Path) -> None:
    arguments = ("-k", "skipped")
    status, output = run_pytest(tmp_path, *arguments, SAMPLE_SKIPS="1")
    assert status == 0, output
    assert "2 skipped" in output
    status, output = run_pytest(tmp_path, *arguments, SAMPLE_SKIPS="1", CI="true")
    assert status == 1, output


def test_ci_refuses_plain_skips_too(tmp_path: Path) -> None:
    (tmp_path / "test_plain.py").write_text(
        "import pytest\ndef test_plain():\n    pytest.skip('no reason')\n"
    )
    status, output = run_pytest(tmp_path, "test_plain.py", "-k", "plain", CI="true")
    assert status == 1, output
    assert "test_plain.py::test_plain: Skipped: no reason" in output
