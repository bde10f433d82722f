"""Removes the worker's own frames from the traceback of a task."""

from __future__ import annotations

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
