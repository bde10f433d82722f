"""What ``<async-result>`` shows stays, whatever the page does with the element."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.test_element import ID, RUNNING, Answers, answers, place
from tests.fixtures.chromium import ARGUMENTS, program
from tests.helpers import wait_until

__all__ = ["answers"]

pytestmark = [
    pytest.mark.backends("postgresql"),
    pytest.mark.parametrize("shop", ["database"], indirect=True),
]

DONE = (200, {"state": "done", "result": {"total": "1.10"}})
FAILED = (200, {"state": "failed", "error": {"type": "E", "message": "the reason"}})
GONE: tuple[int, dict[str, str]] = (410, {})

TEMPLATE = "<template> <p data-bind='total'></p> and more </template>"

#: What pages and their libraries do with an element.
CHANGES = {
    "moved": "it => document.querySelector('footer').append(it)",
    "moved whole": "it => document.querySelector('footer').moveBefore(it, null)",
    "moved with its parent": "it => document.body.append(it.parentNode)",
    "put back later": """async it => {
        it.remove();
        await new Promise(resume => setTimeout(resume, 50));
        document.querySelector('footer').append(it);
    }""",
    "replaced by a copy": "it => it.replaceWith(it.cloneNode(true))",
    "restored with the page": """it => {
        const copy = document.body.cloneNode(true);
        document.body.replaceWith(copy);
    }""",
    "restored from text": "it => { it.outerHTML = it.outerHTML; }",
}


@dataclass(frozen=True)
class Change:
    """One of them, for an element."""

    name: str
    script: str
    element: Locator

    def make(self) -> None:
        self.element.evaluate(self.script)

    @property
    def keeps_the_element(self) -> bool:
        return self.name.startswith(("moved", "put"))


def listen(page: Page) -> None:
    page.evaluate(
        """() => {
            for (const name of ['async-result', 'async-error']) {
                document.addEventListener(name, () => told.push(name));
            }
        }"""
    )


def reads(element: Locator, text: str, what: str = "") -> None:
    """Check what is in the element itself, beside its shadow."""
    wait_until(
        lambda: element.evaluate("it => it.textContent.trim()") == text, what=what
    )


def polls_of(page: Page) -> list[str]:
    asked: list[str] = []
    page.on(
        "request",
        lambda request: asked.append(request.url) if "/async/" in request.url else None,
    )
    return asked


def each_change(page: Page, inside: str = "", **attributes: str) -> Iterator[Change]:
    """A new element, which asks for another task, for each of the changes."""
    for number, (name, script) in enumerate(CHANGES.items()):
        page.evaluate("() => { window.told = []; }")
        element = place(page, inside, uuid=f"{ID[:-1]}{number}", **attributes)
        yield Change(name, script, element)
        element.evaluate("it => it.remove()")


def test_a_result(page: Page, answers: Answers) -> None:
    listen(page)
    answers.are(DONE)
    for change in each_change(page, TEMPLATE):
        element = change.element
        reads(element, "1.10 and more")
        answers.are(GONE)
        asked = polls_of(page)
        for _ in range(2):
            change.make()
            settle(page)
            reads(element, "1.10 and more", change.name)
            assert element.get_by_role("alert").is_hidden()
            assert element.get_by_role("progressbar").is_hidden()
            assert element.evaluate("it => it.result") == {"total": "1.10"}
        assert (page.evaluate("told"), asked) == (["async-result"], [])
        # Another task takes its place.
        answers.are((200, {"state": "done", "result": {"total": "2"}}))
        element.evaluate(f"it => it.setAttribute('uuid', '{ID}-{change.name}')")
        reads(element, "2 and more", change.name)
        answers.are(DONE)


def test_a_failure(page: Page, answers: Answers) -> None:
    listen(page)
    answers.are(FAILED)
    for change in each_change(page, retry=""):
        alert = change.element.get_by_role("alert")
        expect(alert).to_contain_text("the reason")
        answers.are(GONE)
        asked = polls_of(page)
        for _ in range(2):
            change.make()
            settle(page)
            expect(alert).to_contain_text("the reason")
            assert change.element.get_by_role("button").is_visible()
        assert (page.evaluate("told"), asked) == (["async-error"], [])
        answers.are(FAILED)


def test_a_task_on_its_way(page: Page, answers: Answers) -> None:
    listen(page)
    answers.are(RUNNING)
    for change in each_change(page):
        element = change.element
        bar = element.get_by_role("progressbar")
        expect(bar).to_have_attribute("aria-valuenow", "3")
        change.make()
        if change.keeps_the_element:
            assert bar.get_attribute("aria-valuenow") == "3", change.name
        answers.are(DONE)
        expect(element.locator("xpath=./pre")).to_have_count(1)
        assert bar.is_hidden()
        assert page.evaluate("told") == ["async-result"], change.name
        answers.are(RUNNING)


def settle(page: Page) -> None:
    """Let a request begin, if there is to be one."""
    page.evaluate("() => new Promise(resume => setTimeout(resume, 50))")


def test_moved_it_asks_no_more_often(page: Page, answers: Answers) -> None:
    answers.are(RUNNING)
    element = place(page)
    expect(element.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "3")
    asked = polls_of(page)
    page.evaluate(
        """async () => {
            const it = document.getElementById('tested');
            for (let time = 0; time < 50; time++) {
                it.parentNode.prepend(it);
                await new Promise(resume => setTimeout(resume, 10));
            }
        }"""
    )
    assert len(asked) <= 5


def test_another_task_while_it_is_out_of_the_page(page: Page, answers: Answers) -> None:
    answers.are(DONE)
    element = place(page, TEMPLATE)
    reads(element, "1.10 and more")
    answers.are((200, {"state": "done", "result": {"total": "2"}}))
    page.evaluate(
        """async uuid => {
            const it = document.getElementById('tested');
            it.remove();
            it.setAttribute('uuid', uuid);
            await null;
            document.body.append(it);
        }""",
        f"{ID[:-1]}2",
    )
    reads(element, "2 and more")


@pytest.fixture
def keeping(chromium: Browser) -> Iterator[Browser]:
    """A browser that keeps the pages which were left, as those of visitors do."""
    browser = chromium.browser_type.launch(
        executable_path=program(),
        args=[*ARGUMENTS, "--enable-features=BackForwardCache"],
        ignore_default_args=["--disable-back-forward-cache"],
    )
    yield browser
    browser.close()


def test_a_page_that_the_browser_kept(keeping: Browser, shop: int) -> None:
    page = keeping.new_page(base_url=f"http://127.0.0.1:{shop}")
    page.goto("/")
    page.evaluate(
        "addEventListener('pageshow', ({persisted}) => { window.kept = persisted; })"
    )
    answers = Answers(page)
    answers.are(DONE, GONE)
    shown = place(page, TEMPLATE)
    reads(shown, "1.10 and more")
    answers.are(RUNNING)
    shown.evaluate("it => { it.id = 'shown'; }")
    waiting = place(page, TEMPLATE, uuid=f"{ID[:-1]}2")
    expect(waiting.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "3")
    page.goto("/mailbox")
    # A page that was kept is not loaded.
    page.go_back(wait_until="commit")
    page.wait_for_function("window.kept === true")
    reads(page.locator("#shown"), "1.10 and more")
    answers.are(DONE)
    reads(waiting, "1.10 and more")
