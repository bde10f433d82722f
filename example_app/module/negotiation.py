"""Which form of an answer a request prefers."""

from __future__ import annotations

from nereid import request

HTML = "text/html"
JSON = "application/json"


def wants_json(*, default: bool = False) -> bool:
    """Whether to answer the current request in JSON rather than in HTML.

    :param default: the answer for a client to which both are the same, such as
        curl with its ``Accept: */*``.
    """
    offers = [JSON, HTML] if default else [HTML, JSON]
    return bool(request.accept_mimetypes.best_match(offers) == JSON)
