"""The samples of the pages: what stands in their blocks, word by word."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import docutils.core
import docutils.nodes


@cache
def samples(page: Path) -> dict[str, str]:
    """The text of each block, by its name, or else by its first line."""
    document = docutils.core.publish_doctree(
        page.read_text(), settings_overrides={"syntax_highlight": "none"}
    )
    blocks = document.findall(docutils.nodes.literal_block)
    return {
        (block["names"] or [block.astext().partition("\n")[0]])[0]: block.astext()
        for block in blocks
    }
