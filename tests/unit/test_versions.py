"""The check of the installation: which distributions wrote the folder trytond/."""

from __future__ import annotations

from pathlib import Path

import pytest

from nereid_async import versions


def pretend_installed(
    folder: Path, name: str, version: str, entry_points: str = ""
) -> None:
    """Put a distribution's metadata where Python looks for it."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    )
    (info / "entry_points.txt").write_text(entry_points)


def warning_of(path: Path, monkeypatch: pytest.MonkeyPatch, match: str) -> str:
    """What the check warns of where Python looks into a folder first."""
    monkeypatch.syspath_prepend(path)
    versions.check.cache_clear()
    try:
        with pytest.warns(UserWarning, match=match) as caught:
            versions.check()
    finally:
        versions.check.cache_clear()
    return str(caught[0].message)


def test_one_build_is_fine() -> None:
    assert versions.mixed_distributions() == {}


def test_two_builds_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # One of them is there.
    pretend_installed(tmp_path, "m9s-trytond", "7.0.57")
    pretend_installed(tmp_path, "trytond", "7.0.59")
    text = warning_of(tmp_path, monkeypatch, r"m9s-trytond 7\.0\.57")
    assert "pip uninstall" in text


def test_the_old_module_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever distribution brings it."""
    assert versions.other_module() is None
    entry_points = "[trytond.modules]\nasync_sqs = trytond.modules.async_sqs\n"
    pretend_installed(tmp_path, "openlabs-async-sqs", "3.2.0.1", entry_points)
    text = warning_of(tmp_path, monkeypatch, r"openlabs.async.sqs")
    assert "pip uninstall -y openlabs" in text
