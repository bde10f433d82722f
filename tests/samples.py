"""The samples of the pages: what stands in their blocks, word by word."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import docutils.nodes

from tests.pages import document


@cache
def samples(page: Path) -> dict[str, str]:
    """The text of each block, by its name, or else by its first line."""
    blocks = document(page.read_text()).findall(docutils.nodes.literal_block)
    return {
        (block["names"] or [block.astext().partition("\n")[0]])[0]: block.astext()
        for block in blocks
    }
