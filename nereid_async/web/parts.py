"""The parts that both routes to a result need, in one record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from flask import Response
from werkzeug.wrappers import Response as BaseResponse

from ..runtime import Runtime
from .endpoint import Answer
from .framework import Framework
from .owner_cookie import CookieJar

#: A hook: takes the request of a poll; returns an answer, or None to let it pass.
BeforePoll: TypeAlias = Callable[[Any], "BaseResponse | None"]


@dataclass(frozen=True)
class Parts:
    """The web parts of one app.

    :ivar framework: the app.
    :ivar before_poll: hooks of the app; more may be added.
    """

    framework: Framework
    runtime: Runtime
    jar: CookieJar
    before_poll: Sequence[BeforePoll]

    def secrets(self, request: Any) -> list[str]:
        """The secrets of the owner cookies of a request."""
        return [cookie.secret for cookie in self.jar.read(request.cookies).values()]

    def refusal(self, request: Any) -> BaseResponse | None:
        """The answer of the app's hooks to a poll; None if they let it pass.

        :raises TypeError: a hook has returned something else than a Response.
        """
        for hook in self.before_poll:
            answer = hook(request)
            if answer is None:
                continue
            if not isinstance(answer, BaseResponse):
                name = getattr(hook, "__name__", hook)
                raise TypeError(f"before_poll: {name} returned no Response: {answer!r}")
            return answer
        return None

    def respond(self, answer: Answer) -> Response:
        """The response that both routes send for an answer."""
        response = Response(answer.text, answer.status)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers.update(self.runtime.settings.poll_headers)
        response.headers.update(answer.all_headers)
        return response
