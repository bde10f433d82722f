"""A visitor of an app that runs in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from devtools.site import VISITORS


class Browser:
    """A visitor with a cookie jar, who sends the CSRF token as scripts do.

    :param app: the Nereid app.
    :param token: the CSRF token; asked for at the first use, if None.
    """

    def __init__(self, app: Any, token: str | None = None) -> None:
        self.client = app.test_client()
        self.token = token

    def get(self, path: str, **options: Any) -> Any:
        """GET."""
        return self.client.get(path, **options)

    def post(self, path: str, **options: Any) -> Any:
        """POST with the CSRF token in the header."""
        return self.send("POST", path, **options)

    def delete(self, path: str, **options: Any) -> Any:
        """DELETE with the CSRF token in the header."""
        return self.send("DELETE", path, **options)

    def defer(
        self, task: str, *args: Any, locale: str = "en", **order: Any
    ) -> dict[str, Any]:
        """Let a view defer a task.

        :param locale: in which the visitor browses.
        :param order: ``kwargs`` and ``configure``, as the view takes them.
        :return: its answer: id and url.
        """
        answer = self.post(
            f"/{locale}/defer-result", json={"task": task, "args": list(args), **order}
        )
        assert answer.status_code == 202, answer.text
        return dict(answer.json)

    def csrf_token(self) -> str:
        """The token of this visitor's session."""
        if self.token is None:
            answer = self.get("/en/csrf")
            assert answer.status_code == 200, answer.text
            self.token = answer.text
        return self.token

    @property
    def cookies(self) -> str:
        """All cookies of this visitor, as the header sends them."""
        return "; ".join(f"{it.key}={it.value}" for it in self.jar.values())

    def twin(self) -> Browser:
        """Another browser with a copy of the cookies, as they are now."""
        other = Browser(self.client.application, self.token)
        other.jar.update(self.jar)
        return other

    def at_once(self, *requests: Callable[[Browser], Any]) -> list[Any]:
        """Make several requests with the cookies there are now, as a page may.

        Afterwards the cookies of all answers are there, in the order of the requests.
        """
        twins = [self.twin() for _ in requests]
        answers = [request(twin) for request, twin in zip(requests, twins, strict=True)]
        before = dict(self.jar)
        for twin in twins:
            for key in before.keys() - twin.jar.keys():
                self.jar.pop(key, None)
            self.jar.update(
                (key, cookie)
                for key, cookie in twin.jar.items()
                if before.get(key) != cookie
            )
        return answers

    @property
    def jar(self) -> dict[Any, Any]:
        """The cookies themselves, as the test client keeps them."""
        jar: dict[Any, Any] = self.client._cookies
        return jar

    @property
    def session_id(self) -> str:
        """The value of this visitor's session cookie."""
        cookie = self.client.get_cookie("session")
        assert cookie is not None
        return str(cookie.value)

    def log_in(self, address: str) -> None:
        """Log in as one of the visitors with an account."""
        answer = self.post(
            "/en/login", data={"email": address, "password": VISITORS[address]}
        )
        assert answer.status_code == 302, answer.text

    def log_out(self) -> None:
        """Log out."""
        assert self.get("/en/logout").status_code == 302

    def send(self, method: str, path: str, **options: Any) -> Any:
        """Any method, with the CSRF token in the header."""
        headers = {"X-CSRFToken": self.csrf_token(), **options.pop("headers", {})}
        return self.client.open(path, method=method, headers=headers, **options)
