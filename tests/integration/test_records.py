"""Records in what is sent, and in what a browser gets."""

from __future__ import annotations

from typing import Any

import pytest
from trytond.pool import Pool
from trytond.transaction import Transaction

from nereid_async.errors import SerializationError
from nereid_async.messages.browser_json import for_browser
from nereid_async.messages.serialization import decode, encode
from tests.marks import ONE_DATABASE


@ONE_DATABASE
@pytest.mark.parametrize(
    "sent",
    [
        {"$": "record", "m": "res.user", "v": "1"},
        {"$": "record", "m": "res.user", "v": True},
        {"$": "record", "m": "res.user", "v": None},
        {"$": "records", "m": "res.user", "v": 1},
        {"$": "records", "m": "res.user", "v": [1, "2"]},
        {"$": "records", "m": "res.user", "v": [False]},
        {"$": "record", "m": "no.such.model", "v": 1},
    ],
    ids=repr,
)
def test_ids_that_we_did_not_write_are_refused(database: str, sent: Any) -> None:
    with Transaction().start(database, 1), pytest.raises(SerializationError):
        decode(sent)


@ONE_DATABASE
def test_a_record_is_a_value_and_a_key(database: str) -> None:
    with Transaction().start(database, 1):
        user = Pool().get("res.user")(1)
        assert decode(encode([user, [user]])) == [user, [user]]
        assert for_browser({user: user}) == {
            "res.user,1": {"model": "res.user", "id": 1, "rec_name": user.rec_name}
        }
