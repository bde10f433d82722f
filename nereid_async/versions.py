"""Checks the installation of trytond, which two distributions may have written."""

from __future__ import annotations

import warnings
from functools import lru_cache
from importlib import metadata

import trytond

from .errors import ConfigurationError

#: The long-term series that are tested. Nereid is there for the first one only.
SERIES = ("7.0", "8.0")

_RECIPE = (
    "Install one of them only: pip uninstall -y trytond m9s-trytond; "
    "pip install 'trytond==7.0.*'; "
    "pip install --no-deps 'm9s-nereid==7.0.*' 'm9s-nereid-base==7.0.*' "
    "(docs/how-to/install.rst)"
)


@lru_cache(maxsize=1)
def check() -> None:
    """Check what is installed as ``trytond``, once per process.

    Warns if two distributions have written the same folder, that of trytond or that of
    the module ``async_sqs``: their files are mixed, and uninstalling one of them breaks
    the other.

    :raises ConfigurationError: trytond is of another series than 7.0.
    """
    if not trytond.__version__.startswith(("7.0.", "8.0.")):
        raise ConfigurationError(
            f"trytond {trytond.__version__} is installed; nereid_async is for {SERIES}"
        )
    mixed = mixed_distributions()
    if mixed:
        both = " and ".join(f"{name} {version}" for name, version in mixed.items())
        warnings.warn(
            f"the folder trytond/ was written by {both}. {_RECIPE}", stacklevel=3
        )
    text = other_module()
    if text is not None:
        warnings.warn(text, stacklevel=3)


def series() -> str:
    """The series of the trytond that is installed, for example ``"7.0"``."""
    return str(trytond.__version__).rpartition(".")[0]


def mixed_distributions() -> dict[str, str]:
    """Versions of the distributions that share the folder; empty if there is one."""
    found = {}
    for name in ("trytond", "m9s-trytond"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found if len(found) > 1 else {}


def other_module() -> str | None:
    """What is wrong if another distribution has a Tryton module of our name, too.

    The older one, ``openlabs_async_sqs``, and what was made from it do: their files lie
    in the same folder as ours, or are found before them.
    """
    found = metadata.entry_points(group="trytond.modules", name="async_sqs")
    names = {it.dist.name for it in found if it.dist is not None}
    others = sorted(names - {"nereid_async", "nereid-async"})
    if not others:
        return None
    return (
        f"{' and '.join(others)} has a Tryton module async_sqs, too, in the same "
        "folder: uninstall both, and install this one again: pip uninstall -y "
        f"{' '.join(others)} nereid_async; pip install nereid_async"
    )
