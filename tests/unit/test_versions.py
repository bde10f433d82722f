"""The check of the installation: which distributions wrote the folder trytond/."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nereid_async import versions


def pretend_installed(folder: Path, name: str, version: str) -> None:
    """Put a distribution's metadata where Python looks for it."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    )


def test_one_build_is_fine() -> None:
    assert versions.mixed_distributions() == {}


def test_two_builds_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_installed(tmp_path, "m9s-trytond", "7.0.57")
    monkeypatch.syspath_prepend(tmp_path)
    versions.check.cache_clear()
    try:
        with pytest.warns(UserWarning, match=r"m9s-trytond 7\.0\.57") as caught:
            versions.check()
    finally:
        versions.check.cache_clear()
    assert "pip uninstall" in str(caught[0].message)


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
