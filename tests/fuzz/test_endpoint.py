"""No path, query or cookie opens the endpoint, or breaks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devtools.browser import Browser
from devtools.workers import burst
from tests.marks import ONE_DATABASE

#: What a visitor may be told: never a result, never an error of ours.
REFUSALS = {301, 308, 400, 404, 405, 410}

PRINTABLE = st.characters(min_codepoint=0x20, max_codepoint=0x2FFF)


@pytest.fixture
def task(client: Browser, app: Any) -> dict[str, Any]:
    """A task whose answer is there."""
    made = client.defer("echo", "the secret")
    burst(app)
    return made


@ONE_DATABASE
@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
def test_paths(app: Any, client: Browser, task: dict[str, Any]) -> None:
    id = task["id"]
    paths = st.one_of(
        st.text(PRINTABLE, max_size=50),
        st.text("0123456789abcdef-", min_size=36, max_size=36),
        st.uuids().map(str),
        st.tuples(st.integers(0, 35), PRINTABLE).map(
            lambda it: id[: it[0]] + it[1] + id[it[0] + 1 :]
        ),
        st.text(PRINTABLE, min_size=1, max_size=5).map(lambda text: id + text),
        st.text(PRINTABLE, min_size=1, max_size=5).map(lambda text: text + id),
    )

    @given(paths, st.sampled_from(["GET", "HEAD", "DELETE"]))
    def check(path: str, method: str) -> None:
        if path == id or path.partition("?")[0].partition("#")[0] == id:
            return
        url = "/async/result/" + quote(path, safe="/;=@:")
        answer = client.client.open(url, method=method)
        assert answer.status_code in REFUSALS, (method, url, answer.status)
        assert b"the secret" not in answer.data

    check()


@ONE_DATABASE
@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
def test_queries(client: Browser, task: dict[str, Any]) -> None:
    """They change nothing: the owner is answered."""

    @given(
        st.dictionaries(
            st.sampled_from(["wait", "Wait", "id", "locale", "_"]) | st.text(PRINTABLE),
            st.text(PRINTABLE) | st.integers() | st.floats(),
            max_size=4,
        )
    )
    def check(query: dict[str, Any]) -> None:
        answer = client.get(task["url"], query_string=query)
        assert (answer.status_code, answer.json["result"]) == (200, "the secret")

    check()


@ONE_DATABASE
@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
def test_cookies(
    app: Any, task: dict[str, Any], hostile: Callable[[bool], None]
) -> None:
    stranger = app.test_client()

    text = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=60)
    names = st.just("session") | text.map(lambda it: f"nereid_async-{it}")
    values = text | st.from_regex(r"\d{1,12}\.\d{1,12}\.[\w-]{22}", fullmatch=True)

    @given(st.lists(st.tuples(names, values), max_size=5))
    def check(cookies: list[tuple[str, str]]) -> None:
        header = "; ".join(f"{name}={value}" for name, value in cookies)
        sent = {"Cookie": header.encode().decode("latin1")}
        answer = stranger.get(task["url"], headers=sent)
        hostile(answer.status_code != 404 or b"the secret" in answer.data)

    check()
