"""The example shop, as a newcomer starts it, over HTTP."""

from __future__ import annotations

import re
import signal
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
import requests

from devtools.databases import PROJECT
from devtools.processes import Process, free_port, listens
from tests.fixtures.shop import demo
from tests.helpers import wait_until
from tests.marks import ONE_DATABASE, ONE_SHOP


class Visitor:
    """A browser with its cookie jar.

    :param port: where the shop listens.
    """

    def __init__(self, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}"
        self.session = requests.Session()
        self.session.headers["Accept"] = "application/json"

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.session.get(self._address + path, timeout=30, **options)

    def post(self, path: str, **fields: str) -> requests.Response:
        """Send a form as the page does, with its CSRF token."""
        fields["csrf_token"] = self.token()
        return self.session.post(
            self._address + path, data=fields, timeout=30, allow_redirects=False
        )

    def delete(self, path: str) -> requests.Response:
        headers = {"X-CSRFToken": self.token()}
        return self.session.delete(self._address + path, headers=headers, timeout=30)

    def token(self) -> str:
        page = self.get("/", headers={"Accept": "text/html"}).text
        found = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert found, page
        return found[1]

    def mails_to(self, address: str) -> list[dict[str, str]]:
        return [mail for mail in self.get("/mailbox").json() if mail["to"] == address]


@pytest.fixture
def http_visitor(shop: int) -> Visitor:
    return Visitor(shop)


@ONE_DATABASE
@ONE_SHOP
def test_the_page_has_its_forms(http_visitor: Visitor) -> None:
    answer = http_visitor.get("/", headers={"Accept": "text/html"})
    assert answer.status_code == 200
    for name in ("name", "email", "message"):
        assert f'name="{name}"' in answer.text
    for path in ("/contact", "/report"):
        assert f'action="{path}"' in answer.text
    # No CDN: nothing of the page is fetched from elsewhere.
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', answer.text)


def test_a_mail_arrives_while_the_page_answers_at_once(http_visitor: Visitor) -> None:
    address = f"ada{free_port()}@example.com"
    started = time.monotonic()
    answer = http_visitor.post("/contact", name="Ada", email=address, message="Hello")
    assert answer.status_code in (200, 202, 303), answer.text
    assert time.monotonic() - started < 5
    (mail,) = wait_until(lambda: http_visitor.mails_to(address), 30)
    assert set(mail) == {"to", "subject", "body"}
    assert "Ada" in mail["subject"] + mail["body"]


@ONE_DATABASE
@ONE_SHOP
def test_a_browser_without_scripts_is_sent_back_to_the_page(
    http_visitor: Visitor,
) -> None:
    http_visitor.session.headers["Accept"] = "text/html"
    answer = http_visitor.post(
        "/contact", name="Ada", email="ada@example.com", message="Hello"
    )
    assert answer.status_code == 303


@ONE_DATABASE
@ONE_SHOP
def test_bad_input_is_answered_kindly(http_visitor: Visitor) -> None:
    answer = http_visitor.post("/contact", name="", email="not an address", message="")
    assert answer.status_code == 400
    assert "Traceback" not in answer.text


def test_the_report_is_fetched_by_its_owner_and_no_other(
    http_visitor: Visitor, shop: int
) -> None:
    answer = http_visitor.post("/report")
    assert answer.status_code == 202
    task = answer.json()
    assert set(task) == {"id", "url"}
    assert answer.headers["Location"].endswith(task["url"])
    first = http_visitor.get(task["url"])
    assert first.status_code == 202
    assert first.json()["state"] in ("pending", "running")
    assert int(first.headers["Retry-After"]) >= 0

    stranger = Visitor(shop)
    stranger.token()
    assert stranger.get(task["url"]).status_code == 404

    def finished() -> requests.Response | None:
        found = http_visitor.get(task["url"])
        return found if found.status_code == 200 else None

    done = wait_until(finished, 30)
    assert done.json()["state"] == "done"
    assert len(done.json()["result"]["months"]) == 12
    assert stranger.get(task["url"]).status_code == 404
    assert http_visitor.get(task["url"]).json() == done.json()

    assert http_visitor.delete(task["url"]).status_code == 204
    assert http_visitor.get(task["url"]).status_code == 410


def test_progress_is_seen(http_visitor: Visitor) -> None:
    task = http_visitor.post("/report").json()
    progress = wait_until(
        lambda: http_visitor.get(task["url"]).json().get("progress"), 30
    )
    assert progress["total"] == 12
    assert progress["message"]
    wait_until(lambda: http_visitor.get(task["url"]).status_code == 200, 30)


def test_what_fails_sends_nothing(http_visitor: Visitor) -> None:
    wait_until(lambda: unfinished(http_visitor) == 0, 30)
    before = http_visitor.get("/stats").json()
    assert http_visitor.post("/fail").status_code == 400
    assert http_visitor.get("/stats").json() == before
    assert http_visitor.mails_to("nobody@example.com") == []


def unfinished(http_visitor: Visitor) -> int:
    counts = http_visitor.get("/stats").json()
    return int(counts["pending"] + counts["sent"] + counts["running"])


def test_tasks_are_counted_by_state(http_visitor: Visitor) -> None:
    before = http_visitor.get("/stats").json()
    http_visitor.post("/contact", name="Ada", email="ada@example.com", message="Hello")
    wait_until(
        lambda: http_visitor.get("/stats").json()["done"] == before["done"] + 1, 30
    )


@ONE_DATABASE
@ONE_SHOP
def test_csrf_protection_is_on(http_visitor: Visitor, shop: int) -> None:
    for path in ("/contact", "/report", "/fail"):
        answer = requests.post(f"http://127.0.0.1:{shop}{path}", timeout=30)
        assert answer.status_code == 400


@ONE_DATABASE
@ONE_SHOP
def test_sessions_are_private_files(http_visitor: Visitor, data: Path) -> None:
    http_visitor.token()
    sessions = list(data.rglob("*.session"))
    assert sessions
    assert {path.stat().st_mode & 0o077 for path in sessions} == {0}


@pytest.mark.backends("sqlite")
def test_ctrl_c_stops_everything(data: Path, backend: str) -> None:
    mark = uuid.uuid4().hex
    with demo(data, TEST_MARK=mark) as (process, port):
        assert len(marked(mark)) >= 4
        assert "Creating the database" not in process.output
        process.send_signal(signal.SIGINT)
        assert process.wait(40) == 0, process.output
        assert not listens(port)
        assert marked(mark) == []


def marked(mark: str) -> list[str]:
    """The processes that have inherited a mark in their environment."""
    found = Path("/proc").glob("[0-9]*/environ")
    return [path.parent.name for path in found if mark.encode() in environment(path)]


def environment(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@ONE_SHOP
@pytest.mark.backends("sqlite")
def test_a_taken_port_is_said(data: Path, shop: int) -> None:
    command = [sys.executable, "-m", "example_app.demo", "--port", str(shop)]
    log = data.with_suffix(".taken.log")
    with Process([*command, "--data", data], log, cwd=PROJECT) as process:
        assert process.wait(60) not in (0, None)
        assert str(shop) in process.output
        assert "Traceback" not in process.output
