"""Options of Tryton's configuration in this process, in either series."""

from __future__ import annotations

from nereid_async.tryton_config import config


def remove_option(section: str, name: str) -> None:
    """Remove an option, as if trytond.conf did not have it, nor a section without any.

    Tryton 8.0 can only remove a whole section, and forgets what it has read before
    when something is set or loaded.
    """
    others = {
        other: config.get(section, other)
        for other in config.options(section)
        if other != name
    }
    config.remove_section(section)
    if others:
        config.add_section(section)
    for other, value in others.items():
        config.set(section, other, value)
    config.update_etc([])
