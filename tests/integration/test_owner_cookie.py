"""The cookies by which a browser shows that it has asked."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from devtools.browser import Browser
from devtools.site import VISITORS
from devtools.workers import burst
from nereid_async.web import owner_cookie
from tests.fixtures.apps import AppFactory

# What is tested knows nothing of the database.
pytestmark = pytest.mark.backends("sqlite")

ADA, GRACE = VISITORS

HTTPS = "https://localhost/"
OURS = "nereid_async-"


@pytest.fixture
def app(app_factory: AppFactory) -> Any:
    """An app on the default broker: none of this goes by the broker."""
    return app_factory()


def ours(browser: Browser) -> dict[str, str]:
    """The owner's cookies of a visitor, by name."""
    return {
        cookie.key: cookie.value
        for cookie in browser.jar.values()
        if OURS in cookie.key
    }


def set_cookies(answer: Any) -> list[str]:
    """The owner's cookies that an answer sets, as headers."""
    return [it for it in answer.headers.getlist("Set-Cookie") if OURS in it]


def attributes(header: str) -> dict[str, str]:
    """The attributes of a Set-Cookie header, in lower case."""
    parts = [part.strip().partition("=") for part in header.split(";")[1:]]
    return {name.lower(): value for name, _, value in parts}


# At the same time.


def fresh(client: Browser) -> None:
    """A visitor without any cookie; for the deferrals the token is not needed."""


def with_session(client: Browser) -> None:
    client.csrf_token()


def logged_in(client: Browser) -> None:
    client.log_in(ADA)


def logged_in_after_a_deferral(client: Browser) -> None:
    client.defer("echo", "x")
    client.log_in(ADA)


@pytest.mark.parametrize(
    "before", [fresh, with_session, logged_in, logged_in_after_a_deferral]
)
def test_each_of_many_deferrals_at_once_is_readable(
    app_factory: AppFactory, before: Callable[[Browser], None]
) -> None:
    app = app_factory(WTF_CSRF_ENABLED=before is not fresh)
    client = Browser(app, None if before is not fresh else "")
    before(client)
    answers = client.at_once(
        *(lambda twin, n=n: twin.defer("echo", n) for n in range(6))
    )
    burst(app)
    found = [client.get(answer["url"]) for answer in answers]
    assert [answer.status_code for answer in found] == [200] * 6
    assert [answer.json["result"] for answer in found] == list(range(6))
    # And what is asked for later.
    later = client.defer("echo", "later")
    burst(app)
    assert client.get(later["url"]).json["result"] == "later"
    assert client.get(answers[0]["url"]).json["result"] == 0


def test_what_others_put_into_the_session_at_the_same_time_stays(
    client: Browser,
) -> None:
    client.csrf_token()
    client.at_once(
        lambda it: it.defer("echo", "x"),
        lambda it: it.get("/en/remember?it=this"),
    )
    assert client.get("/en/remembered").text == "this"


def test_further_deferrals_do_with_the_same_cookie(client: Browser) -> None:
    client.csrf_token()
    assert ours(client) == {}
    client.defer("echo", "x")
    before = ours(client)
    assert len(before) == 1
    answer = client.post("/en/defer-result", json={})
    assert "Set-Cookie" not in answer.headers
    assert ours(client) == before


def test_a_view_that_is_run_again_makes_one_cookie(client: Browser) -> None:
    assert client.post("/en/retry").status_code == 200
    assert len(ours(client)) == 1


# What the cookie is.


@pytest.mark.parametrize("base_url", ["http://localhost/", HTTPS])
def test_attributes(client: Browser, base_url: str) -> None:
    answer = client.get("/en/readonly-get", base_url=base_url)
    (header,) = set_cookies(answer)
    secure = base_url == HTTPS
    assert header.startswith(f"__Host-{OURS}" if secure else OURS)
    found = attributes(header)
    # The result's hour, a day for the wait in the queue, and some to spare.
    assert int(found.pop("max-age")) == pytest.approx(3_600 + 86_400 + 43_200, abs=2)
    expected = {"path": "/", "httponly": "", "samesite": "Lax"}
    if secure:
        expected["secure"] = ""
    found.pop("expires", None)
    # No domain: for this host alone.
    assert found == expected
    # Its value is no larger than it need be: many fit into a request.
    assert len(header.partition(";")[0]) < 90


def test_it_lasts_as_long_as_the_delay_of_the_call(client: Browser) -> None:
    client.defer("echo", "x")
    answer = client.post(
        "/en/defer-result", json={"configure": {"delay": 30 * 86_400}, "args": ["x"]}
    )
    (header,) = set_cookies(answer)
    assert int(attributes(header)["max-age"]) > 31 * 86_400
    # The longer one does for what is shorter, the other way round would shorten it.
    answer = client.post("/en/defer-result", json={"args": ["x"]})
    assert set_cookies(answer) == []
    assert len(ours(client)) == 2


@pytest.mark.parametrize("view", ["public", "cdn"])
def test_no_shared_cache_stores_an_answer_that_sets_it(
    client: Browser, view: str
) -> None:
    answer = client.get(f"/en/deferring-page/{view}")
    assert set_cookies(answer)
    cache_control = answer.headers["Cache-Control"]
    assert "private" in cache_control
    assert "public" not in cache_control
    assert "s-maxage" not in cache_control
    assert "Cookie" in answer.headers["Vary"]
    headers = {name.lower() for name, _ in answer.headers}
    assert not headers & {"cdn-cache-control", "surrogate-control", "x-accel-expires"}
    # Without a new cookie it is as the view wants it.
    answer = client.get(f"/en/deferring-page/{view}")
    assert "private" not in answer.headers["Cache-Control"]


def test_a_later_handler_does_not_make_it_public(app: Any, client: Browser) -> None:
    @app.after_request
    def cache(response: Any) -> Any:
        response.cache_control.public = True
        return response

    answer = client.get("/en/readonly-get")
    assert "public" not in answer.headers["Cache-Control"]


def test_only_what_defers_for_the_visitor_sets_it(client: Browser, app: Any) -> None:
    for path in ("/en/csrf", "/en/nothing", "/async/client.js", "/async/result/x"):
        assert set_cookies(client.get(path)) == []
    answer = client.post("/en/defer-result", json={"task": "shared_value", "args": [1]})
    assert set_cookies(answer) == []
    client.log_in(ADA)
    client.log_out()
    assert ours(client) == {}


def test_there_are_never_many_of_them(
    client: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So many fit into what servers take for a head.
    assert owner_cookie.MOST == 40
    monkeypatch.setattr(owner_cookie, "MOST", 4)
    client.csrf_token()
    client.at_once(*(lambda it: it.defer("echo", "x") for _ in range(12)))
    assert len(ours(client)) == 12
    newest = max(ours(client).values())
    # They become fewer, a few with each answer that makes another one.
    client.log_in(ADA)
    assert len(ours(client)) == 12 + 1 - 5
    client.log_out()
    client.log_in(ADA)
    assert len(ours(client)) == 4
    assert newest in ours(client).values()
    (longest, _) = max(ours(client).items(), key=lambda it: len("=".join(it)))
    assert 40 * (len(f"__Host-{longest}={newest}; ")) < 4_096


# Another one after each login and logout.


def test_a_login_and_a_logout_make_another_one(client: Browser) -> None:
    seen: list[set[str]] = []

    def defer() -> None:
        client.defer("echo", "x")
        seen.append(set(ours(client).values()))

    defer()
    client.log_in(ADA)
    defer()
    client.log_out()
    defer()
    assert [len(it) for it in seen] == [1, 2, 3]
    assert seen[0] < seen[1] < seen[2]


def test_what_was_asked_for_before_stays_readable(client: Browser, app: Any) -> None:
    anonymous = client.defer("echo", "anonymous")
    client.log_in(ADA)
    of_ada = client.defer("echo", "of ada")
    burst(app)
    assert client.get(anonymous["url"]).json["result"] == "anonymous"
    client.log_out()
    assert client.get(anonymous["url"]).json["result"] == "anonymous"
    assert client.get(of_ada["url"]).status_code == 404


# Cookies that are not ours.


def test_what_is_made_up_is_not_used(client: Browser) -> None:
    now_s = int(time.time())
    value = f"{now_s}.{now_s + 10**6}.{'A' * 22}"
    for name in (OURS, f"{OURS}AAAAAAAAAAAA", f"{OURS}{'ä' * 12}", "x"):
        client.client.set_cookie(name, value)
    client.defer("echo", "x")
    (made,) = set(ours(client).values()) - {value}
    assert "AAAA" not in made


def test_an_expired_one_is_not_used(
    client: Browser, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = client.defer("echo", "x")
    burst(app)
    later_s = time.time() + 20 * 86_400
    monkeypatch.setattr(time, "time", lambda: later_s)
    assert client.get(task["url"]).status_code == 404


def test_two_apps_on_a_host_leave_each_others_alone(
    app_factory: AppFactory, app: Any, client: Browser
) -> None:
    mine = client.defer("echo", "x")
    cookies = ours(client)
    other = Browser(app_factory(ASYNC_SIGNING_KEY="the-key-of-another-app"))
    other.jar.update(client.jar)
    theirs = other.defer("echo", "y")
    assert len(ours(other)) == 2
    assert cookies.items() < ours(other).items()
    assert other.get(theirs["url"]).status_code == 202
    assert other.get(mine["url"]).status_code == 404
    client.jar.update(other.jar)
    assert client.get(mine["url"]).status_code == 202
    client.defer("echo", "x")
    assert len(ours(client)) == 2


# Planted.


def test_a_planted_session_opens_nothing(client: Browser, app: Any) -> None:
    """Not before, not after the victim's login, not after its logout."""
    attacker = Browser(app)
    attacker.defer("echo", "bait")
    victim = Browser(app)
    victim.client.set_cookie("session", attacker.session_id)
    tasks = [victim.defer("echo", "secret")]
    victim.log_in(ADA)
    tasks.append(victim.defer("echo", "secret"))
    burst(app)
    answers = [attacker.get(task["url"]).status_code for task in tasks]
    victim.log_out()
    tasks.append(victim.defer("echo", "secret"))
    burst(app)
    answers += [attacker.get(task["url"]).status_code for task in tasks]
    assert answers == [404] * 5
    assert victim.get(tasks[2]["url"]).json["result"] == "secret"


def test_over_https_a_planted_owner_is_not_taken(app: Any) -> None:
    """A neighbouring host cannot set a cookie with the prefix, only one without."""
    attacker, victim = Browser(app), Browser(app)
    attacker.get("/en/readonly-get")
    for name, value in ours(attacker).items():
        victim.client.set_cookie(name, value)
    answer = victim.get("/en/readonly-get", base_url=HTTPS)
    (header,) = set_cookies(answer)
    assert re.search(r"\.([\w-]{22});", header)[1] not in attacker.cookies  # type: ignore[index]


def test_a_cookie_of_an_earlier_login_owns_nothing_new(app: Any) -> None:
    """Over http an owner can be planted; a login of the victim ends that, too."""
    attacker = Browser(app)
    attacker.defer("echo", "bait")
    victim = attacker.twin()
    victim.log_in(ADA)
    victim.log_out()
    task = victim.defer("echo", "secret")
    burst(app)
    assert victim.get(task["url"]).json["result"] == "secret"
    assert attacker.get(task["url"]).status_code == 404
