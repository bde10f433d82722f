"""Calls of what the samples define: each page's tasks and functions are run.

A walk takes the page in the transaction of its samples; what it defers is run after it.
A visit takes it afterwards, with an app and a worker.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from trytond.pool import Pool

from nereid_async import NereidAsync, Retry
from tests.docs.python_page import PythonPage
from tests.docs.stand_ins import party
from tests.docs.visit import Visit


def cancel(page: PythonPage) -> None:
    party()
    page.Party.merge_all.defer()


def double_clicks(page: PythonPage) -> None:
    page.changed(party(), "a price")


def large_arguments(page: PythonPage) -> None:
    (attachment,) = (
        Pool()
        .get("ir.attachment")
        .create([{"name": "parties", "data": b"ada\nbob", "resource": str(party())}])
    )
    page.Party.import_file.defer(attachment)


def mail(page: PythonPage) -> None:
    party().send_welcome.defer()


def old_module(page: PythonPage) -> None:
    page.MyBigReport.expensive_method.defer(1, arg2=2)


def celery(page: PythonPage) -> None:
    (unpaid,) = page.Sale.create([{}])
    with pytest.raises(Retry):
        unpaid.confirm_later()
    page.warm_cache("home")


def dramatiq(page: PythonPage) -> None:
    with pytest.raises(Retry):
        page.later()


def many(page: PythonPage) -> None:
    notes = page.write_to_all([party(), party()])
    assert len(notes) == 2


def batches(page: PythonPage) -> None:
    assert page.send_to_all([party(), party()], "Hello").startswith("/async/result/")
    with NereidAsync.batch("Reminders"):
        page.Party.send_to_employees.defer(
            party(addresses=[("create", [{"city": "Rome"}])])
        )


def order_and_fairness(page: PythonPage) -> None:
    party().export.defer()
    party().fetch.defer("https://shop.example.com/products.csv")
    assert page.post(1) == 1


def nightly(page: PythonPage) -> None:
    _run_cron("party.party|clean_nightly")


def operations(page: PythonPage) -> None:
    page.Newsletter.create([{"state": "ready"}, {"state": "draft"}])
    _run_cron("shop.newsletter|send_nightly")


def _run_cron(method: str) -> None:
    Cron = Pool().get("ir.cron")
    entry = {"method": method, "interval_number": 1, "interval_type": "days"}
    Cron.run_once(Cron.create([entry]))


def rolling_deploys(page: PythonPage) -> None:
    party().send_welcome.defer("de")
    party().welcome.defer()


def several_databases(page: PythonPage) -> None:
    page.create_both()


def task_from_task(page: PythonPage) -> None:
    party(name=" ada ")
    # The class of the page's first sample, and of its second, which covers it.
    page.Party.write_to_all.defer()
    page.Party.clean.defer()


def time_limits(page: PythonPage) -> None:
    party().export.defer()
    party().look_up.defer("data:,ada")


def polls(page: PythonPage) -> None:
    assert page.closed(None) is None
    Path("maintenance").touch()
    assert page.closed(None).status_code == 503


WALKS: dict[str, Callable[[PythonPage], None]] = {
    "how-to/batches": batches,
    "how-to/cancel": cancel,
    "how-to/double-clicks": double_clicks,
    "how-to/large-arguments": large_arguments,
    "how-to/mail": mail,
    "how-to/many": many,
    "how-to/order-and-fairness": order_and_fairness,
    "how-to/moving-from-async-sqs": old_module,
    "how-to/moving-from-celery": celery,
    "how-to/moving-from-dramatiq": dramatiq,
    "how-to/nightly-jobs": nightly,
    "how-to/operations": operations,
    "how-to/rolling-deploys": rolling_deploys,
    "how-to/several-databases": several_databases,
    "how-to/task-from-task": task_from_task,
    "how-to/time-limits": time_limits,
    "reference/browser": polls,
}


def download(page: PythonPage, visit: Visit) -> None:
    browser = visit.browser()
    url = visit.result_of(browser, "/en/export")["url"]
    file = browser.get(url)
    assert file.mimetype == "text/csv"
    assert "ada" in file.text
    assert browser.get(f"{url}x").status_code == 404


def clicks(page: PythonPage, visit: Visit) -> None:
    browser = visit.browser()
    first, second = (browser.post("/en/party-report").json for _ in range(2))
    assert (first["is_new"], second["is_new"]) == (True, False)
    assert first["url"] == second["url"]


def progress(page: PythonPage, visit: Visit) -> None:
    assert visit.result_of(visit.browser(), "/en/report")["total"] > 0


def signals(page: PythonPage, visit: Visit) -> None:
    visit.fail()
    told = page.output.getvalue()
    assert "async_test.record.fail has failed: " in told
    assert "is done: 0 done, 1 failed, 0 cancelled" in told


def moving(page: PythonPage, visit: Visit) -> None:
    visit.look_at_a_result(page.look)


def hosts(page: PythonPage, visit: Visit) -> None:
    visit.poll_of_flask(page.async_ext)


VISITS: dict[str, Callable[[PythonPage, Visit], None]] = {
    "how-to/double-clicks": clicks,
    "how-to/file-download": download,
    "how-to/hosts": hosts,
    "how-to/moving-from-celery": moving,
    "how-to/moving-from-dramatiq": moving,
    "how-to/progress": progress,
    "reference/signals": signals,
}
