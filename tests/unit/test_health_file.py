"""The health file: written in its place, never through somebody's link."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nereid_async.worker.health_file import HealthFile


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file of the worker's user, in a folder that others may write to as well."""
    file = tmp_path / "precious"
    file.write_text("precious")
    return file


def test_a_link_where_it_is_written_first_is_not_followed(
    tmp_path: Path, victim: Path
) -> None:
    health = tmp_path / "health"
    health.with_name(f"health.{os.getpid()}").symlink_to(victim)
    HealthFile(health).write()
    assert victim.read_text() == "precious"
    assert health.read_text() == "ok\n"


def test_a_link_in_its_own_place_is_replaced(tmp_path: Path, victim: Path) -> None:
    health = tmp_path / "health"
    health.symlink_to(victim)
    HealthFile(health).write("stuck")
    assert victim.read_text() == "precious"
    assert health.read_text() == "stuck\n"
    assert not health.is_symlink()


def test_others_can_read_it_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        file = HealthFile(tmp_path / "health")
        file.write()
        file.write("stuck")
        assert (tmp_path / "health").stat().st_mode & 0o777 == 0o644
        assert [it.name for it in tmp_path.iterdir()] == ["health"]
        file.remove()
        assert list(tmp_path.iterdir()) == []
    finally:
        os.umask(before)


def test_where_it_cannot_be_written_the_worker_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    HealthFile(tmp_path / "missing" / "health").write()
    assert "health file" in caplog.text
    (tmp_path / "health").mkdir()
    HealthFile(tmp_path / "health").write()
    assert [it.name for it in tmp_path.iterdir()] == ["health"]
