"""The element ``<async-result>`` by itself, on a page of the shop."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.test_shop import check_with_axe
from tests.helpers import wait_until

pytestmark = [
    pytest.mark.backends("postgresql"),
    # The answers are the tests' own.
    pytest.mark.parametrize("shop", ["database"], indirect=True),
]

ID = "00000000-0000-8000-8000-000000000001"
POLLS = "**/async/result/*"
CANCELLATIONS = f"{POLLS}?cancel=1"


class Answers:
    """What the page's polls are answered, one after the other; the last for ever.

    :param urls: of which requests, if not of polls.
    """

    def __init__(self, page: Page, urls: str = POLLS) -> None:
        self._answers: list[tuple[int, Any]] = []
        page.route(urls, self._answer)

    def are(self, *answers: tuple[int, Any]) -> None:
        self._answers = list(answers)

    def _answer(self, route: Route) -> None:
        answer = self._answers[0]
        if len(self._answers) > 1:
            del self._answers[0]
        status, body = answer
        route.fulfill(
            status=status, content_type="application/json", body=json.dumps(body)
        )


@pytest.fixture
def answers(page: Page) -> Answers:
    return Answers(page)


def place(page: Page, inside: str = "", **attributes: str) -> Any:
    """Put the element into the page; its locator."""
    page.evaluate(
        """([inside, attributes]) => {
            const element = document.createElement('async-result');
            element.id = 'tested';
            const parsed = new DOMParser().parseFromString(inside, 'text/html');
            element.append(...parsed.head.childNodes, ...parsed.body.childNodes);
            for (const [name, value] of Object.entries(attributes)) {
                element.setAttribute(name.replaceAll('_', '-'), value);
            }
            document.querySelector('main').prepend(element);
        }""",
        [inside, {"uuid": ID, **attributes}],
    )
    return page.locator("#tested")


RUNNING = (
    202,
    {"state": "running", "progress": {"done": 3, "total": 12, "message": "<b>3</b>"}},
)


def test_progress(page: Page, answers: Answers) -> None:
    answers.are((202, {"state": "pending", "progress": None}))
    element = place(page, label="The work")
    bar = element.get_by_role("progressbar", name="The work")
    expect(bar).to_be_visible()
    assert bar.get_attribute("aria-valuenow") is None
    answers.are(RUNNING)
    expect(bar).to_have_attribute("aria-valuenow", "3")
    expect(bar).to_have_attribute("aria-valuemax", "12")
    expect(bar).to_have_attribute("aria-valuetext", "25 %")
    # Text, not markup.
    expect(element.get_by_role("status")).to_have_text("<b>3</b>")
    check_with_axe(page)


def test_a_result_without_a_template(page: Page, answers: Answers) -> None:
    answers.are((200, {"state": "done", "result": "<img src=x onerror=alert(1)>"}))
    element = place(page)
    expect(element.locator("xpath=./p")).to_have_text("<img src=x onerror=alert(1)>")
    expect(element.locator("xpath=.//img")).to_have_count(0)
    assert element.evaluate("it => it.result").startswith("<img")
    expect(element.get_by_role("progressbar")).to_be_hidden()


def test_a_result_in_a_template(page: Page, answers: Answers) -> None:
    result = {
        "total": "<b>1.10</b>",
        "months": [{"name": "May"}],
        "url": "/report.pdf",
        "bad": "javascript:alert(1)",
    }
    answers.are((200, {"state": "done", "result": result}))
    element = place(
        page,
        "<template><p data-bind='total'></p><p data-bind='months.0.name'></p>"
        "<p data-bind='no.such'>none</p>"
        "<a class='good' data-bind-href='url'>get</a>"
        "<a class='bad' data-bind-href='bad'>get</a></template>",
    )
    expect(element.locator("xpath=./p")).to_have_text(
        ["<b>1.10</b>", "May", ""], use_inner_text=False
    )
    expect(element.locator("xpath=./a[1]")).to_have_attribute("href", "/report.pdf")
    assert element.locator("xpath=./a[2]").get_attribute("href") is None


def test_events_reach_the_page(page: Page, answers: Answers) -> None:
    page.evaluate(
        """() => {
            window.seen = [];
            for (const name of ['progress', 'result', 'error']) {
                document.addEventListener(`async-${name}`, ({detail}) => {
                    seen.push([name, detail?.name ?? detail]);
                });
            }
        }"""
    )
    answers.are(RUNNING, (200, {"state": "done", "result": 7}))
    element = place(page)
    expect(element.locator("xpath=./p")).to_have_text("7")
    seen = page.evaluate("seen")
    assert seen[0][0] == "progress"
    assert seen[-1] == ["result", 7]
    answers.are((410, {}))
    element.evaluate(f"it => it.setAttribute('uuid', '{ID[:-1]}2')")
    expect(element.get_by_role("alert")).to_have_text(re.compile("no longer kept"))
    assert page.evaluate("seen.at(-1)") == ["error", "GoneError"]
    expect(element.locator("xpath=./p")).to_have_count(
        0
    )  # the result of before is gone


def test_a_failed_task(page: Page, answers: Answers) -> None:
    error = {"type": "ValueError", "message": "<i>the reason</i>"}
    answers.are((200, {"state": "failed", "error": error}))
    element = place(page)
    expect(element.get_by_role("alert")).to_have_text(re.compile("<i>the reason</i>"))
    expect(element.get_by_role("button")).to_be_hidden()
    check_with_axe(page)


def test_a_failed_task_may_be_offered_again(page: Page, answers: Answers) -> None:
    answers.are((200, {"state": "failed", "error": {"type": "E", "message": "m"}}))
    element = place(page, retry="")
    page.evaluate(
        "document.addEventListener('async-retry', () => document.title = 'again')"
    )
    element.get_by_role("button", name="Try again").press("Enter")
    expect(page).to_have_title("again")


def test_the_button_cancels_the_task(page: Page, answers: Answers) -> None:
    """With the keyboard, and announced to those who do not see it."""
    answers.are(RUNNING)
    element = place(page, label="The work", cancel="", retry="")
    page.evaluate(
        "document.addEventListener('async-cancelled', () => document.title = 'gone')"
    )
    button = element.get_by_role("button", name="Cancel: The work")
    expect(element.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "3")
    check_with_axe(page)
    with page.expect_request(CANCELLATIONS) as asked:
        button.press("Enter")
    assert asked.value.method == "DELETE"
    expect(element.get_by_role("status")).to_have_text("Cancelling …")
    expect(button).to_have_attribute("aria-disabled", "true")
    expect(button).to_be_focused()
    check_with_axe(page)
    answers.are((200, {"state": "cancelled"}))
    expect(element.locator("[part=message]")).to_have_text("Cancelled.")
    expect(element.get_by_role("alert")).to_be_hidden()
    expect(element.get_by_role("progressbar")).to_be_hidden()
    expect(button).to_be_hidden()
    expect(element.get_by_role("button", name="Try again")).to_be_focused()
    expect(page).to_have_title("gone")
    check_with_axe(page)
    # A copy does not ask again.
    page.unroute(POLLS)
    element.evaluate("it => it.replaceWith(it.cloneNode(true))")
    expect(element.locator("[part=message]")).to_have_text("Cancelled.")


def test_the_button_goes_where_the_task_cannot_be_cancelled(
    page: Page, answers: Answers
) -> None:
    answers.are(RUNNING)
    element = place(page, cancel="")
    button = element.get_by_role("button", name="Cancel")
    expect(element.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "3")
    Answers(page, CANCELLATIONS).are((409, {"title": "Not finished"}))
    button.click()
    expect(button).to_be_hidden()
    expect(element.get_by_role("progressbar")).to_be_visible()
    answers.are((200, {"state": "done", "result": "here"}))
    expect(element.locator("xpath=./p")).to_have_text("here")


def test_a_cancellation_that_does_not_arrive_can_be_repeated(
    page: Page, answers: Answers
) -> None:
    answers.are(RUNNING)
    page.evaluate(
        "import('/async/client.js').then(({texts}) => { texts.cancel = 'Abbrechen'; })"
    )
    element = place(page, cancel="")
    button = element.get_by_role("button", name="Abbrechen")
    cancellations = Answers(page, CANCELLATIONS)
    cancellations.are((503, {}))
    with page.expect_response(CANCELLATIONS):
        button.click()
    expect(button).to_have_attribute("aria-disabled", "false")
    # What has finished meanwhile is shown.
    cancellations.are((200, {"state": "done", "result": "here"}))
    answers.are((200, {"state": "done", "result": "here"}))
    button.click()
    expect(element.locator("xpath=./p")).to_have_text("here")


def refused(route: Route) -> None:
    """As by a blocker, or by a policy of the page."""
    route.abort("blockedbyclient")


def led_elsewhere(route: Route) -> None:
    """To a login on a host of its own: no script may read what that answers."""
    # Here the shop itself, by another name.
    elsewhere = route.request.url.replace("127.0.0.1", "localhost")
    route.fulfill(status=302, headers={"Location": elsewhere})


def out_of_order(route: Route) -> None:
    route.fulfill(status=500, body="")


@pytest.mark.parametrize("answer", [refused, led_elsewhere, out_of_order])
def test_an_interruption_is_borne_for_a_while_and_then_told(
    page: Page, answer: Callable[[Route], None]
) -> None:
    asked: list[str] = []

    def count(route: Route) -> None:
        asked.append(route.request.url)
        answer(route)

    page.route(POLLS, count)
    page.clock.install()
    with page.expect_request(POLLS):
        element = place(page, timeout="Infinity")
    alert = element.get_by_role("alert")
    expect(alert).to_be_hidden()

    def told() -> bool:
        page.clock.fast_forward(6_000)
        return bool(alert.is_visible())

    wait_until(told)
    assert 5 < len(asked) < 30
    page.unroute(POLLS)
    Answers(page).are((200, {"state": "done", "result": "here"}))
    element.get_by_role("button", name="Try again").click()
    expect(element.locator("xpath=./p")).to_have_text("here")
    expect(alert).to_be_hidden()


def test_an_answer_that_is_none_in_between(page: Page, answers: Answers) -> None:
    answers.are((500, {}), (200, {"state": "done", "result": "here"}))
    element = place(page)
    expect(element.locator("xpath=./p")).to_have_text("here")


def test_taken_out_of_the_page_it_stops_to_ask(page: Page, answers: Answers) -> None:
    answers.are(RUNNING)
    element = place(page)
    expect(element.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "3")
    element.evaluate("it => it.remove()")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    # Longer than the longest pause would be by now.
    page.evaluate("() => new Promise(resume => setTimeout(resume, 1500))")
    assert asked == []


def test_a_held_poll_where_it_is_asked_for(page: Page, answers: Answers) -> None:
    answers.are((200, {"state": "done", "result": 1}))
    with page.expect_request(POLLS) as asked:
        place(page, wait="20")
    assert asked.value.url.endswith(f"{ID}?wait=20")
