"""Headers that keep the pages to themselves: own scripts, own styles, no frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Response
    from nereid import Nereid

POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def register(app: Nereid) -> None:
    """Add the headers to every answer of the application."""
    app.after_request(add_headers)


def add_headers(response: Response) -> Response:
    """What Flask calls with each answer."""
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    return response
