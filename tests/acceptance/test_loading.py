"""What a process loads, and what it refuses to work with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_a_tryton_process_without_web_loads_neither_nereid_nor_boto3() -> None:
    program = (
        "import sys, nereid_async.task, nereid_async.deferral, nereid_async.metrics\n"
        "from trytond.config import config\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'boto3', 'nereid', 'prometheus_client'}, loaded\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_another_series_is_refused(tmp_path: Path) -> None:
    package = tmp_path / "trytond"
    package.mkdir()
    (package / "__init__.py").write_text('__version__ = "7.2.1"\n')
    program = (
        "from nereid_async import versions\n"
        "try:\n    versions.check()\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.startswith("ConfigurationError trytond 7.2.1 is installed")


def test_the_environment_reaches_the_settings() -> None:
    # Tryton reads the environment when a process begins.
    program = (
        "from nereid_async.settings import load\n"
        "print(load({'SECRET_KEY': 'a-key-that-is-long-enough'}).max_attempts)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TRYTOND_ASYNC_SQS__MAX_ATTEMPTS": "9"},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "9\n", done.stderr
