"""Helpers for templates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask_wtf.csrf import generate_csrf
from markupsafe import Markup

from .routes import CLIENT_URL

if TYPE_CHECKING:
    from nereid import Nereid


def async_client() -> Markup:
    """What a page needs to fetch results: its CSRF token, and the script.

    Belongs in the head: ``{{ async_client() }}``.
    """
    return Markup(
        '<meta name="csrf-token" content="{}">\n'
        '<script type="module" src="{}"></script>'
    ).format(generate_csrf(), CLIENT_URL)


def register(app: Nereid) -> None:
    """Offer the helpers in every template."""

    # Nereid makes its Jinja environment late: a context processor can wait for it.
    def helpers() -> dict[str, object]:
        return {"async_client": async_client}

    app.context_processor(helpers)
