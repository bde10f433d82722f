"""What takes long to make and is kept from run to run, in pytest's cache."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path


def made_once(
    folder: Path, sources: Sequence[Path], make: Callable[[Path], None]
) -> Path:
    """A folder that is made anew only when what it is made of has changed.

    :param sources: the files that decide what is in it.
    :param make: makes the folder.
    """
    content = b"".join(path.read_bytes() for path in sources)
    digest = hashlib.sha256(content).hexdigest()
    stamp = folder / "made-of"
    if not stamp.exists() or stamp.read_text() != digest:
        shutil.rmtree(folder, ignore_errors=True)
        make(folder)
        stamp.write_text(digest)
    return folder
