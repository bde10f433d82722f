"""What a visitor of the example shop sees and does."""

from __future__ import annotations

import re
import uuid

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.fixtures.chromium import NewContext, picture
from tests.helpers import wait_until
from tests.marks import ONE_SHOP

pytestmark = pytest.mark.backends("postgresql")

#: A worker may have to start first, and the machine be busy.
SLOW_MS = 30_000

REPORT = "Build the report"


def build_report(page: Page) -> None:
    page.get_by_role("button", name=REPORT).click()


def see_report(page: Page) -> None:
    table = page.get_by_role("table")
    expect(table).to_be_visible(timeout=SLOW_MS)
    expect(table.get_by_role("row")).to_have_count(14)
    expect(page.get_by_text("Here it is")).to_be_visible()


def test_contact(page: Page) -> None:
    address = f"{uuid.uuid4().hex[:8]}@example.com"
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("E-mail address").fill(address)
    page.get_by_label("Message").fill("Hello, <b>world</b>")
    page.get_by_role("button", name="Send").click()
    mail = page.locator("#contact-mail")
    expect(mail).to_be_visible(timeout=SLOW_MS)
    expect(mail).to_contain_text(address)
    # What a visitor writes is text, not HTML.
    expect(mail).to_contain_text("<b>world</b>")
    for step in page.locator("#contact-trace li").all():
        expect(step).to_have_class("done")
    picture(page, "contact")


@ONE_SHOP
def test_contact_with_mistakes(page: Page) -> None:
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("E-mail address").fill("ada@example")
    page.get_by_label("Message").fill("Hello")
    page.locator("#contact").evaluate("form => form.noValidate = true")
    page.get_by_role("button", name="Send").click()
    email = page.get_by_label("E-mail address")
    expect(email).to_have_attribute("aria-invalid", "true")
    expect(email).to_be_focused()
    expect(email).to_have_value("ada@example")


def test_report_with_its_progress(page: Page) -> None:
    build_report(page)
    bar = page.get_by_role("progressbar", name="Progress of the report")
    expect(bar).to_be_visible()
    expect(bar).to_have_attribute("aria-valuemax", "12", timeout=SLOW_MS)
    expect(bar).to_have_attribute("aria-valuenow", re.compile("[1-9]"), timeout=SLOW_MS)
    expect(page.get_by_text("Adding up").first).to_be_visible()
    expect(page.locator("async-result").get_by_role("status")).to_have_count(1)
    picture(page, "report-progress")
    see_report(page)
    picture(page, "report")


def test_cancel_the_report(page: Page) -> None:
    build_report(page)
    bar = page.get_by_role("progressbar", name="Progress of the report")
    expect(bar).to_have_attribute("aria-valuemax", "12", timeout=SLOW_MS)
    with page.expect_response("**/async/result/*") as answered:
        page.get_by_role("button", name="Cancel").click()
    assert answered.value.status in (200, 202)
    expect(page.get_by_text("Cancelled.").first).to_be_visible(timeout=SLOW_MS)
    expect(page.get_by_role("button", name=REPORT)).to_be_enabled()
    picture(page, "report-cancelled")
    build_report(page)
    see_report(page)


def test_stop_waiting_and_look_again(page: Page) -> None:
    build_report(page)
    page.get_by_role("button", name="Stop waiting").click()
    expect(page.get_by_text("You stopped waiting")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_be_hidden()
    page.reload()
    see_report(page)


def test_tasks_each_to_its_end(page: Page, new_context: NewContext) -> None:
    build_report(page)
    see_report(page)
    page.get_by_role("link", name="Tasks").click()
    for title in ("Book a courier", "Charge a card", "Take stock"):
        page.get_by_role("button", name=title, exact=True).click()
        expect(page.get_by_role("heading", name=title)).to_be_visible()
    courier, card, stock = (
        page.get_by_role("listitem").filter(has_text=title)
        for title in ("Book a courier", "Charge a card", "Take stock")
    )
    bar = stock.get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuenow", re.compile("[1-9]"), timeout=SLOW_MS)
    expect(stock.locator(".state")).to_have_text("running")
    picture(page, "tasks-running")
    # Not the form's own button of that name.
    stock.get_by_role("button", name="Cancel: Take stock").click()
    expect(stock.locator(".state")).to_have_text("cancelled", timeout=SLOW_MS)
    expect(stock.get_by_text("Cancelled.").first).to_be_visible()
    expect(card.locator(".state")).to_have_text("failed", timeout=SLOW_MS)
    expect(card.get_by_role("alert")).to_contain_text("The card was declined.")
    expect(courier.locator(".state")).to_have_text("done", timeout=SLOW_MS)
    expect(courier).to_contain_text("attempt 3")
    expect(courier.get_by_role("progressbar")).to_be_hidden()
    report = page.get_by_role("listitem").filter(has_text="Sales report")
    expect(report.locator(".state")).to_have_text("done")
    check_with_axe(page)
    picture(page, "tasks")
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    picture(page, "tasks-phone")
    stranger = new_context().new_page()
    stranger.goto(page.url)
    expect(stranger.get_by_text("No task yet.")).to_be_visible()


def test_a_batch_with_one_bar(page: Page) -> None:
    mails = page.get_by_text("The catalogues are on their way")
    page.get_by_role("link", name="Mailbox", exact=True).click()
    before = mails.count()
    page.get_by_role("link", name="Tasks").click()
    page.get_by_role("button", name="Send catalogues", exact=True).click()
    batch = page.get_by_role("listitem").filter(has_text="Send catalogues")
    bar = batch.get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuemax", "24", timeout=SLOW_MS)
    # Each value that the bar has had, and each text below it.
    bar.evaluate(
        """bar => {
          const root = bar.getRootNode();
          const note = () => window.seen.push([
            bar.getAttribute('aria-valuenow'),
            root.querySelector('[part=message]').textContent]);
          window.seen = [];
          note();
          new MutationObserver(note).observe(
            root, {attributes: true, childList: true, subtree: true});
        }"""
    )
    expect(batch).to_contain_text(re.compile(r"[1-9]\d* of 24"), timeout=SLOW_MS)
    picture(page, "batch")
    expect(batch.locator(".state")).to_have_text("done", timeout=SLOW_MS)
    expect(batch).to_contain_text("23 done, 1 failed, 0 cancelled")
    seen = page.evaluate("window.seen")
    values = [int(value) for value, _ in seen if value is not None]
    assert values == sorted(values)
    assert len(set(values)) > 1
    told = [int(text.split(" of ")[0]) for _, text in seen if " of 24" in text]
    assert told == sorted(told)
    page.get_by_role("link", name="Mailbox", exact=True).click()
    expect(mails).to_have_count(before + 1, timeout=SLOW_MS)
    picture(page, "batch-mail")


def test_failure(page: Page) -> None:
    page.get_by_role("button", name="Fail on purpose").click()
    status = page.locator("#fail-status")
    expect(status).to_contain_text(re.compile("mail|rolled back|nothing", re.I))
    picture(page, "failure")


def test_reload_while_it_runs(page: Page) -> None:
    build_report(page)
    expect(page).to_have_url(re.compile("#report="))
    expect(page.get_by_role("progressbar")).to_be_visible()
    page.reload()
    see_report(page)


def test_several_at_once_by_a_visitor_unknown_so_far(page: Page) -> None:
    """As a page with several parts asks: each answer sets a cookie."""
    found = page.evaluate(
        """async () => {
            const form = document.getElementById('report-form');
            const order = () => fetch(form.action, {
                method: 'POST', body: new URLSearchParams(new FormData(form)),
                headers: {Accept: 'application/json'},
            });
            const answers = await Promise.all(Array.from({length: 5}, order));
            const tasks = await Promise.all(answers.map((answer) => answer.json()));
            const polls = await Promise.all(tasks.map((task) => fetch(task.url)));
            return [document.cookie, ...polls.map((poll) => poll.status)];
        }"""
    )
    # No script sees them.
    assert "nereid_async" not in found.pop(0)
    assert set(found) <= {200, 202}


def test_another_browser_gets_nothing(page: Page, new_context: NewContext) -> None:
    build_report(page)
    expect(page).to_have_url(re.compile("#report="))
    stranger = new_context().new_page()
    stranger.goto(page.url)
    expect(stranger.get_by_text("belongs to another visitor")).to_be_visible()
    see_report(page)
    stranger.reload()
    expect(stranger.get_by_text("belongs to another visitor")).to_be_visible()
    expect(stranger.get_by_role("table")).to_be_hidden()


def test_it_stays_for_a_reload_and_another_tab(
    page: Page, request: pytest.FixtureRequest
) -> None:
    """Also where replies wait on SQS, until the page has shown it for a while."""
    on_sqs = request.node.callspec.params["shop"] == "sqs"
    page.clock.install()
    page.reload()
    build_report(page)
    see_report(page)
    answer = page.url.replace("#report=", "async/result/")
    page.reload()
    see_report(page)
    tab = page.context.new_page()
    tab.goto(page.url)
    see_report(tab)
    tab.close()
    assert page.request.get(answer).status == 200
    page.clock.fast_forward("11:00")
    if on_sqs:
        # The page does not wait for it, nor does Playwright tell of it.
        wait_until(lambda: page.request.get(answer).status == 410)
        expect(page.get_by_role("table")).to_be_visible()
        page.reload()
        expect(page.get_by_text("no longer kept")).to_be_visible()
    else:
        page.reload()
        see_report(page)


def test_it_is_not_there_after_the_cookies_are_gone(page: Page) -> None:
    """Nothing of it stays in the browser: the shop decides who reads."""
    build_report(page)
    see_report(page)
    assert page.evaluate("sessionStorage.length + localStorage.length") == 0
    page.context.clear_cookies()
    page.reload()
    expect(page.get_by_text("belongs to another visitor")).to_be_visible()


def test_offline_and_back(page: Page) -> None:
    build_report(page)
    expect(page).to_have_url(re.compile("#report="))
    page.context.set_offline(True)
    expect(page.get_by_role("progressbar")).to_be_visible()
    # The worker has finished by then, and nobody could have told.
    page.evaluate("() => new Promise(resume => setTimeout(resume, 3000))")
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_role("alert").filter(has_text="answer")).to_have_count(0)
    page.context.set_offline(False)
    see_report(page)


@ONE_SHOP
def test_by_keyboard(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.get_by_role("button", name=REPORT).evaluate(
            "it => it === document.activeElement"
        ):
            break
    page.keyboard.press("Enter")
    see_report(page)


@ONE_SHOP
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/mailbox", "/tasks", "/stats"])
def test_accessible(new_context: NewContext, path: str, scheme: str) -> None:
    page = new_context(color_scheme=scheme, reduced_motion="reduce").new_page()
    page.goto(path)
    if path == "/":
        build_report(page)
        expect(page.get_by_role("progressbar")).to_be_visible()
        check_with_axe(page)
        see_report(page)
    check_with_axe(page)
    picture(page, f"{path.strip('/') or 'home'}-{scheme}")


def check_with_axe(page: Page) -> None:
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


@ONE_SHOP
def test_on_a_phone(new_context: NewContext) -> None:
    page = new_context(viewport={"width": 390, "height": 844}).new_page()
    page.goto("/")
    build_report(page)
    see_report(page)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390
    picture(page, "phone")


def test_without_scripts(new_context: NewContext) -> None:
    page = new_context(java_script_enabled=False).new_page()
    page.goto("/")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("E-mail address").fill("ada@example.com")
    page.get_by_label("Message").fill("Hello")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("status").first).to_contain_text("mailbox")
