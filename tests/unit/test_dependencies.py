"""What the package says it works with is what `make test-lowest` installs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    # pytest brings it.
    import tomli as tomllib

PROJECT = Path(__file__).parents[2]

#: The extras that are installed to use the package, not to work on it.
EXTRAS = (
    "nereid",
    "nereid-parts",
    "postgresql",
    "encryption",
    "metrics",
    "tracing",
    "demo",
    "flask-tryton",
)


def declared() -> Iterator[Requirement]:
    """What the package and its extras ask for, of other packages."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    lines = list(project["dependencies"])
    for extra in EXTRAS:
        lines += project["optional-dependencies"][extra]
    for requirement in map(Requirement, lines):
        if canonicalize_name(requirement.name) != "nereid-async":
            yield requirement


def lowest(requirement: Requirement) -> Version:
    """The version that a requirement begins with."""
    bounds = [it.version for it in requirement.specifier if it.operator in (">=", "~=")]
    assert len(bounds) == 1, f"{requirement} has no lower bound"
    return Version(bounds[0])


def test_the_lowest_versions_are_those_of_the_constraints() -> None:
    lines = (PROJECT / "constraints-lowest.txt").read_text().splitlines()
    pins = [line.partition("==") for line in lines if "==" in line]
    tried = {canonicalize_name(name): Version(pin) for name, _, pin in pins}
    claimed = {canonicalize_name(it.name): lowest(it) for it in declared()}
    assert {name: tried.get(name) for name in claimed} == claimed
