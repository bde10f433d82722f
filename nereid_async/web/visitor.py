"""Who sends a request, as far as it decides which results it may read."""

from __future__ import annotations

from dataclasses import dataclass

#: The user's id if nobody is logged in.
ANONYMOUS = ""


@dataclass(frozen=True)
class Visitor:
    """The sender of a request.

    :ivar user: id of the user logged in, or :data:`ANONYMOUS`.
    :ivar website: id of the ``nereid.website``; None where there are no websites.
    """

    user: str = ANONYMOUS
    website: int | None = None
