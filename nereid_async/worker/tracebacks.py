"""Makes the tracebacks of tasks fit to be shown, and to be kept."""

from __future__ import annotations

import traceback

from trytond import backend

_OURS = __name__.partition(".")[0] + "."


def without_ours(error: BaseException) -> None:
    """Let the traceback of an exception begin with the task's code.

    A traceback of our own frames only stays as it is.
    """
    frames = error.__traceback__
    while frames is not None:
        if not str(frames.tb_frame.f_globals.get("__name__")).startswith(_OURS):
            error.__traceback__ = frames
            return
        frames = frames.tb_next


def let_go_of_cursors(error: BaseException) -> None:
    """Clear the variables of the frames in the traceback of an exception, on SQLite.

    A cursor among them that has rows left would hold a lock on the file, also after the
    rollback (as of Python 3.11), and so keep the worker from noting the failure.
    """
    if backend.name != "sqlite":
        return
    seen: set[int] = set()
    chained: BaseException | None = error
    while chained is not None and id(chained) not in seen:
        seen.add(id(chained))
        traceback.clear_frames(chained.__traceback__)
        chained = chained.__cause__ or chained.__context__
