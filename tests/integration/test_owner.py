"""The answer for its owner: every way in which another one might come by it.

Each attempt is made by the fast poll and by Nereid's own route.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from devtools.apps import SECRET_KEY
from devtools.browser import Browser
from devtools.workers import burst
from tests.fixtures.apps import AppFactory
from tests.fixtures.scripts import Script
from tests.marks import once

Hostile = Callable[[bool], None]

SECRET = "only for who asked"


class Door:
    """The endpoint, with whatever is held against it."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def opens(self, path: str, *, cookies: str = "", method: str = "GET") -> bool:
        """Whether either route tells the secret, or that there is one."""
        sent = [("Cookie", cookies)] if cookies else []
        builder = EnvironBuilder(path, method=method, headers=sent)
        app = self._app
        return any(
            _told(*run_wsgi_app(route, builder.get_environ(), buffered=True)[:2])
            for route in (app.wsgi_app, app.wsgi_app.wsgi_app)
        )


def _told(body: Any, status: str) -> bool:
    text = b"".join(body)
    return status.startswith("2") or SECRET.encode() in text


@pytest.fixture
def door(app: Any) -> Door:
    return Door(app)


@pytest.fixture
def task(client: Browser, app: Any) -> dict[str, Any]:
    """A task of this visitor, done; its answer is there for the owner."""
    made = client.defer("echo", SECRET)
    burst(app)
    assert client.get(made["url"]).json["result"] == SECRET
    return made


def test_the_owner_gets_in(door: Door, client: Browser, task: dict[str, Any]) -> None:
    """What every other test here would be worth nothing without."""
    assert door.opens(task["url"], cookies=client.cookies)


# Other browsers.


@once
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "POST", "PUT", "PATCH"])
def test_another_browser(
    door: Door,
    app: Any,
    client: Browser,
    task: dict[str, Any],
    hostile: Hostile,
    method: str,
) -> None:
    stranger = Browser(app)
    stranger.defer("echo", "something of one's own")
    reader = Browser(app)
    reader.csrf_token()
    (name, value), *_ = [
        (cookie.key, cookie.value)
        for cookie in client.jar.values()
        if cookie.key != "session"
    ]
    for cookies in (
        "",
        "session=",
        f"session={'x' * 40}",
        f"session={'0' * 40}",
        stranger.cookies,
        reader.cookies,
        # The session of the owner alone, and what is nearly the owner's own cookie.
        f"session={client.session_id}",
        f"{name}={value[:-1]}",
        f"{name}={value}A",
        f"{name[:-1]}={value}",
        f"session={value}",
        f"{name}={name}",
    ):
        hostile(door.opens(task["url"], cookies=cookies, method=method))


@once
def test_options_say_nothing_about_what_is_there(
    app: Any, task: dict[str, Any], hostile: Hostile
) -> None:
    stranger = Browser(app).client
    there = stranger.options(task["url"])
    not_there = stranger.options(f"/async/result/{uuid.uuid4()}")
    hostile(dict(there.headers) != dict(not_there.headers))
    hostile(there.data != not_there.data)


@once
def test_a_page_of_another_origin(
    app: Any, client: Browser, task: dict[str, Any], hostile: Hostile
) -> None:
    """Its browser sends our cookie along, and must not hand it the answer."""
    origin = {"Origin": "https://evil.example.com"}
    for answer in (
        client.get(task["url"], headers=origin),
        client.client.options(
            task["url"],
            headers={**origin, "Access-Control-Request-Method": "DELETE"},
        ),
    ):
        hostile("Access-Control-Allow-Origin" in answer.headers)
    # Without the token, which it cannot read, it removes nothing.
    answer = client.client.delete(task["url"], headers=origin)
    hostile(answer.status_code == 204)
    assert client.get(task["url"]).json["result"] == SECRET


# Guessed and misspelled ids.


@once
def test_every_other_id_at_a_distance_of_one_bit(
    door: Door, client: Browser, task: dict[str, Any], hostile: Hostile
) -> None:
    """Even with the owner's own session: an id that was not made is nobody's."""
    cookies = client.cookies
    value = uuid.UUID(task["id"]).int
    for bit in range(128):
        other = uuid.UUID(int=value ^ (1 << bit))
        hostile(door.opens(f"/async/result/{other}", cookies=cookies))


@once
def test_guesses(door: Door, client: Browser, hostile: Hostile) -> None:
    client.defer("echo", "x")
    cookies = client.cookies
    guesses: list[object] = [
        *(uuid.uuid4() for _ in range(20)),
        uuid.uuid1(),
        uuid.UUID(int=0),
        uuid.UUID(int=(1 << 128) - 1),
    ]
    for guess in guesses:
        hostile(door.opens(f"/async/result/{guess}", cookies=cookies))


SPELLINGS = [
    "{upper}",
    "{plain}",
    "{{{id}}}",
    "urn:uuid:{id}",
    " {id}",
    "{id} ",
    "{id}%0A",
    "{id}%00",
    "{id}/",
    "{id}.json",
    "{id};a=b",
    "./{id}",
    "../result/{id}x",
    "{mixed}",
    "{wide}",
    "%7B{id}%7D",
]


@once
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_other_spellings(
    door: Door,
    client: Browser,
    task: dict[str, Any],
    hostile: Hostile,
    spelling: str,
) -> None:
    id = task["id"]
    path = "/async/result/" + spelling.format(
        id=id,
        upper=id.upper(),
        plain=id.replace("-", ""),
        mixed=id[:-1] + id[-1].upper() if id[-1].isalpha() else id.upper(),
        # Digits of another script, which Python takes for digits.
        wide="".join(chr(0xFF10 + int(c)) if c.isdigit() else c for c in id),
    )
    hostile(door.opens(path, cookies=client.cookies))


# Sessions.


@once
@pytest.mark.parametrize("has_deferred", [False, True])
def test_a_session_id_that_was_planted(
    door: Door, app: Any, hostile: Hostile, has_deferred: bool
) -> None:
    """Session fixation: the attacker knows the id the victim came with."""
    attacker = Browser(app)
    attacker.csrf_token()
    if has_deferred:
        attacker.defer("echo", "x")
    planted = attacker.cookies
    victim = Browser(app)
    victim.client.set_cookie("session", attacker.session_id)
    task = victim.defer("echo", SECRET)
    burst(app)
    assert victim.get(task["url"]).json["result"] == SECRET
    hostile(door.opens(task["url"], cookies=planted))


@once
def test_a_session_id_that_was_planted_before_the_login(
    door: Door, app: Any, hostile: Hostile
) -> None:
    attacker = Browser(app)
    attacker.defer("echo", "x")
    planted = attacker.cookies
    victim = Browser(app)
    victim.client.set_cookie("session", attacker.session_id)
    victim.log_in("ada@example.com")
    task = victim.defer("echo", SECRET)
    burst(app)
    assert victim.get(task["url"]).json["result"] == SECRET
    hostile(door.opens(task["url"], cookies=planted))
    attacker.log_in("grace@example.com")
    hostile(door.opens(task["url"], cookies=attacker.cookies))


@once
def test_a_login_keeps_what_was_asked_for_before(app: Any) -> None:
    visitor = Browser(app)
    task = visitor.defer("echo", SECRET)
    visitor.log_in("ada@example.com")
    burst(app)
    assert visitor.get(task["url"]).json["result"] == SECRET


@once
def test_two_tabs_share_what_they_asked_for(app: Any, client: Browser) -> None:
    first = client.defer("echo", "one")
    second = client.defer("echo", "two")
    burst(app)
    assert client.get(first["url"]).json["result"] == "one"
    assert client.get(second["url"]).json["result"] == "two"


@once
def test_after_the_logout(door: Door, app: Any, hostile: Hostile) -> None:
    visitor = Browser(app)
    visitor.log_in("ada@example.com")
    task = visitor.defer("echo", SECRET)
    burst(app)
    visitor.log_out()
    hostile(door.opens(task["url"], cookies=visitor.cookies))


@once
def test_another_user_on_the_same_browser(
    door: Door, app: Any, hostile: Hostile
) -> None:
    visitor = Browser(app)
    visitor.log_in("ada@example.com")
    task = visitor.defer("echo", SECRET)
    burst(app)
    visitor.log_out()
    visitor.log_in("grace@example.com")
    hostile(door.opens(task["url"], cookies=visitor.cookies))
    visitor.log_out()
    visitor.log_in("ada@example.com")
    assert visitor.get(task["url"]).json["result"] == SECRET


@once
def test_a_session_of_another_site(
    app_factory: AppFactory,
    broker_config: dict[str, str],
    task: dict[str, Any],
    door: Door,
    client: Browser,
    hostile: Hostile,
) -> None:
    """Another app with other keys, and the very same session store."""
    other = app_factory(**broker_config, ASYNC_SIGNING_KEY="the-key-of-another-site")
    visitor = Browser(other)
    visitor.jar.update(client.jar)
    foreign = visitor.defer("echo", "of the other site")
    hostile(Door(other).opens(task["url"], cookies=client.cookies))
    hostile(door.opens(foreign["url"], cookies=visitor.cookies))


# Nobody's, everybody's.


@once
def test_tasks_without_an_owner(
    script: Script, door: Door, client: Browser, hostile: Hostile
) -> None:
    client.defer("echo", "x")
    with script.transaction():
        result = script.record.echo.defer(SECRET)
    script.burst()
    hostile(door.opens(result.url, cookies=client.cookies))
    hostile(door.opens(result.url))


@once
def test_shared_is_for_everybody(app: Any, client: Browser, door: Door) -> None:
    task = client.defer("shared_value", SECRET)
    burst(app)
    assert door.opens(task["url"])


# Keys.

NEW_KEY = "the-key-after-the-rotation"


@pytest.fixture
def rotated(
    app_factory: AppFactory, broker_config: dict[str, str]
) -> Iterator[Callable[[str], Any]]:
    """The same app, started anew with other keys."""

    def make(keys: str) -> Any:
        return app_factory(**broker_config, ASYNC_SIGNING_KEY=keys)

    yield make


@once
@pytest.mark.parametrize("done_before", [True, False])
def test_keys_are_rotated_while_results_wait(
    app: Any, client: Browser, rotated: Callable[[str], Any], done_before: bool
) -> None:
    task = client.defer("echo", SECRET)
    if done_before:
        burst(app)
    after = rotated(f"{NEW_KEY},{SECRET_KEY}")
    if not done_before:
        burst(after)
    visitor = Browser(after)
    visitor.jar.update(client.jar)
    assert visitor.get(task["url"]).json["result"] == SECRET


@once
def test_a_key_that_was_withdrawn(
    client: Browser,
    task: dict[str, Any],
    rotated: Callable[[str], Any],
    hostile: Hostile,
) -> None:
    after = rotated(NEW_KEY)
    hostile(Door(after).opens(task["url"], cookies=client.cookies))
