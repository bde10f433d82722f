"""Errors as pages of the shop, or as JSON for those who ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException

if TYPE_CHECKING:
    from nereid import Nereid

#: What visitors read in place of the texts that speak to programmers.
MESSAGES = {
    404: "There is nothing at this address.",
    405: "This address takes forms only.",
    413: "This is more than a form of this shop holds.",
    500: "Something went wrong on our side. Nothing of your request was kept.",
}
#: What such a page is headed, in place of the names of HTTP.
TITLES = {400: "This did not work", 404: "Not here", 500: "Our mistake"}


def register(app: Nereid) -> None:
    """Answer HTTP errors, and exceptions as 500, with :func:`show`."""
    app.register_error_handler(HTTPException, show)


def show(error: HTTPException) -> Any:
    """The answer to an error. Called after the view's transaction has ended."""
    from nereid import current_app, jsonify, render_template
    from trytond.transaction import Transaction

    if error.response is not None:
        return error.response
    code = error.code or 500
    message = MESSAGES.get(code, error.description)
    title = TITLES.get(code, error.name)
    if _asks_for_json():
        answer = jsonify(error=message)
        answer.status_code = code
    else:
        with Transaction().start(current_app.database_name, 0, readonly=True):
            page = render_template(
                "error.jinja", code=code, title=title, message=message
            )
            answer = current_app.make_response((str(page), code))
    for name, value in error.get_headers():
        if name.lower() != "content-type":
            answer.headers[name] = value
    return answer


def _asks_for_json() -> bool:
    from flask import request

    offers = ["text/html", "application/json"]
    return request.accept_mimetypes.best_match(offers) == "application/json"
