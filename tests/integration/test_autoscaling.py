"""The statement by which workers are scaled, as the page has it."""

from __future__ import annotations

import re

import pytest
from docutils import nodes

from devtools.databases import PROJECT
from devtools.plans import ExplainedRows, add_done, add_due
from nereid_async.database import connections
from tests.helpers import query
from tests.pages import document

PAGE = PROJECT / "docs" / "how-to" / "monitoring.rst"
DUE = 5_000


def statement() -> str:
    """For queue ``mail``."""
    blocks = document(PAGE.read_text()).findall(nodes.literal_block)
    (found,) = [it for it in blocks if "oldest due task" in it["names"]]
    return str(found.astext())


@pytest.mark.backends("postgresql")
def test_it_tells_the_age_of_the_oldest_due_task(cloned_database: str) -> None:
    def seconds() -> float:
        ((value,),) = query(cloned_database, statement())
        return float(value)

    assert seconds() == 0
    rows = ExplainedRows(cloned_database)
    with connections.autocommit(cloned_database) as cursor:
        # Younger ones, those that are not due yet, and those of another queue.
        add_due(cursor, DUE, "mail", hours_ago=2, priority=0)
        add_due(cursor, DUE, "mail", hours_ago=-1, priority=9)
        add_due(cursor, DUE, "reports", hours_ago=9)
        add_done(cursor, DUE, "mail")
        assert 7_200 <= seconds() < 7_300
        add_due(cursor, 1, "mail", hours_ago=3, priority=9)
        assert 10_800 <= seconds() < 10_900
        (mail, _) = rows.overview()
        assert mail.oldest_due_s == pytest.approx(seconds(), abs=10)
        # Sent to SQS, and not taken there yet.
        add_due(cursor, 1, "mail", hours_ago=4)
        cursor.execute(
            "UPDATE async_task SET state = 'sent' WHERE queue = 'mail' "
            "AND due_at < now() AT TIME ZONE 'UTC' - INTERVAL '4 hours'"
        )
        assert 14_400 <= seconds() < 14_500
        cursor.execute("ANALYZE async_task")
        explained = ExplainedRows(cloned_database, analyze=True)
        explained.execute(cursor, statement(), [])
    (plan,) = explained.plans
    assert not re.search(r"Seq Scan on async_task", plan), plan
    assert explained.most_read <= 20, plan
    rows.pause("mail")
    assert seconds() == 0
