"""The check of the installation: which distributions wrote the folder trytond/."""

from __future__ import annotations

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
