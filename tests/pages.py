"""Reads the pages of docs/ without Sphinx: what it adds to the language stays text."""

from __future__ import annotations

import docutils.core
import docutils.nodes
from docutils.parsers.rst import Directive, directives, roles

_ROLES = ("doc", "ref", "class", "func", "meth", "exc", "data", "attr", "mod")
_DIRECTIVES = (
    # Of the language, but a text has no folder; Sphinx reads what is included.
    "include",
    "toctree",
    "literalinclude",
    "automodule",
    "autoclass",
    "autofunction",
    "autoexception",
)


class _Left(Directive):
    """A directive of Sphinx, which shows nothing here."""

    has_content = True
    optional_arguments = 1
    final_argument_whitespace = True
    option_spec = None

    def run(self) -> list[docutils.nodes.Node]:
        return []


def document(text: str) -> docutils.nodes.document:
    """The tree of a page; its blocks are not coloured.

    :raises docutils.utils.SystemMessage: the page is not well formed.
    """
    for role in _ROLES:
        roles.register_generic_role(role, docutils.nodes.inline)
    for directive in _DIRECTIVES:
        directives.register_directive(directive, _Left)
    overrides = {"syntax_highlight": "none", "report_level": 2, "halt_level": 2}
    tree: docutils.nodes.document = docutils.core.publish_doctree(
        text, settings_overrides=overrides
    )
    return tree
