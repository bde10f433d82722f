"""The samples of Python on the pages: each is run, with the bodies of its functions.

They are in one test and one process: each needs Tryton, which takes long to load.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from trytond.transaction import Transaction

from devtools.apps import SECRET_KEY
from nereid_async.testing import capture
from nereid_async.tryton_config import config
from tests.docs import stand_ins
from tests.docs.python_page import PythonPage
from tests.docs.ran import Ran, bodies
from tests.docs.test_samples import DOCS, PAGES, samples
from tests.docs.visit import Visit
from tests.docs.walks import VISITS, WALKS

pytestmark = pytest.mark.backends("sqlite")

SENDER = "shop@example.com"


def texts(path: Path, language: str = "python") -> list[str]:
    return [it.text for it in samples(path) if it.language == language]


OF_PYTHON = {
    path.relative_to(DOCS).with_suffix("").as_posix(): found
    for path in PAGES
    if (found := texts(path))
}

Run = Callable[[str, list[str]], Any]


@pytest.fixture
def run(
    fresh_database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tryton_conf: Callable[..., None],
    smtp: Any,
) -> Iterator[Run]:
    """Runs samples as those of a page; returns the page when all has run."""
    tryton_conf(signing_key=SECRET_KEY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nereid_async.shop.create_app", stand_ins.create_app)
    config.set("email", "from", SENDER)
    with Transaction().start(fresh_database, 1):
        stand_ins.register_models()

    def run_page(name: str, texts: list[str]) -> PythonPage:
        page = PythonPage(name, texts)
        try:
            with Transaction().start(fresh_database, 1), capture() as deferred:
                page.run(stand_ins.stand_ins(name))
                if name in WALKS:
                    WALKS[name](page)
                deferred.run()
            if name in VISITS:
                template, *_ = [*_templates(name), ""]
                with closing(Visit(fresh_database, tmp_path, template)) as visit:
                    with redirect_stdout(page.output):
                        VISITS[name](page, visit)
        finally:
            with Transaction().start(fresh_database, 1):
                page.close()
        return page

    yield run_page
    config.remove_option("email", "from")


def _templates(name: str) -> list[str]:
    return texts(DOCS / f"{name}.rst", "html+jinja")


def test_each_body_runs(run: Run) -> None:
    missing, run_bodies = [], 0
    for name, given in OF_PYTHON.items():
        with Ran() as ran:
            try:
                page = run(name, given)
            except Exception as error:
                raise AssertionError(f"{name}: {error!r}") from error
        for number, text in enumerate(page.texts):
            missing += [f"{name}: {it}" for it in ran.missing(page.file(number), text)]
            run_bodies += bodies(text)
    assert missing == [], "these have not run: call them in tests/docs/walks.py"
    assert run_bodies > 25


PLANTED = [
    ("reference/tasks", "import EmailMessage", "import EMailMessage"),
    ("reference/tasks", "max_attempts=42", "max_atempts=42"),
    ("reference/tasks", "priority=2", "priority=12"),
    ("reference/tasks", ".defer(2026)", ".defer(2026, colour='red')"),
    # The rest is inside of functions.
    ("how-to/cancel", "current_task.check()", "current_task.chek()"),
    ("how-to/file-download", "writer.writerow(", "writer.write_row("),
    ("how-to/file-download", "mimetype=", "mime_type="),
    ("how-to/hosts", "session.get(", "session.gett("),
    ("how-to/mail", "mail.set_content(", "mail.set_contents("),
    ("how-to/mail", "self.email", "self.e_mail"),
    ("how-to/moving-from-celery", "result.state()", "result.status()"),
    ("how-to/nightly-jobs", "cls.clean.defer()", "cls.clean.deffer()"),
    ("how-to/progress", "current_task.progress(", "current_task.progres("),
    ("how-to/task-from-task", "parties[-1].id", "parties[-1].idd"),
    ("reference/signals", "message.target.name", "message.task"),
]


def test_a_mistake_is_seen(run: Run) -> None:
    for name, right, wrong in PLANTED:
        given = "\0".join(OF_PYTHON[name])
        assert right in given
        try:
            run(name, given.replace(right, wrong).split("\0"))
        except Exception:
            continue
        pytest.fail(f"{name}: {wrong} is not seen")


def test_a_body_that_no_walk_calls_is_seen(run: Run) -> None:
    with Ran() as ran:
        page = run("reference/tasks", ["def forgotten():\n    return 1\n"])
    assert ran.missing(page.file(0), page.texts[0]) == [
        "def forgotten():",
        "return 1",
    ]
