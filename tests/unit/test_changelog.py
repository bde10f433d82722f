"""The changelog: a section a version, in the form of Keep a Changelog."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from docutils import nodes
from docutils.core import publish_doctree

from nereid_async import __version__

PROJECT = Path(__file__).parents[2]
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
RELEASE = re.compile(r"(\d+\.\d+\.\d+) - (\d{4}-\d{2}-\d{2})")


def sections(node: nodes.Element) -> list[tuple[str, nodes.Element]]:
    """The sections directly below a node, by their titles."""
    return [(it[0].astext(), it) for it in node if isinstance(it, nodes.section)]


def changelog() -> list[tuple[str, nodes.Element]]:
    """The sections of the versions, the newest first."""
    tree = publish_doctree(
        (PROJECT / "CHANGELOG.rst").read_text(), settings_overrides={"report_level": 2}
    )
    # Docutils takes the title of a page out of its tree.
    return sections(tree)


def releases() -> list[tuple[str, str]]:
    """Versions and dates of all that was released."""
    found = [RELEASE.fullmatch(title) for title, _ in changelog()[1:]]
    assert all(found), "VERSION - YYYY-MM-DD"
    return [(it[1], it[2]) for it in found if it is not None]


def test_the_version_has_its_section() -> None:
    assert __version__ in [version for version, _ in releases()]


def test_what_is_not_released_stands_first() -> None:
    assert changelog()[0][0] == "Unreleased"


def test_the_newest_release_stands_first() -> None:
    dates = [date.fromisoformat(day) for _, day in releases()]
    assert dates == sorted(dates, reverse=True)


def test_changes_stand_under_the_usual_headings_and_none_is_empty() -> None:
    for version, section in changelog():
        for kind, changes in sections(section):
            assert kind in KINDS, f"{version}: {kind}"
            assert len(changes) > 1, f"{version}: nothing under {kind}"
