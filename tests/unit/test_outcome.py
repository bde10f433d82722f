"""What is kept of an exception is bounded, and fit for where it goes."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import pytest

from nereid_async.errors import BadMessage, ConfigurationError
from nereid_async.messages.attributes import check, text_attribute
from nereid_async.messages.outcome import Failure, Outcome, State
from nereid_async.messages.serialization import dumps


def test_what_fits_is_kept_as_it_is() -> None:
    failure = Failure.of(ValueError("no ☃"))
    assert (failure.type, failure.message) == ("ValueError", "no ☃")
    assert "ValueError: no ☃" in failure.traceback


@pytest.mark.parametrize("character", ["x", "☃", "\0", "\ud800", "\U0001f600"])
def test_a_large_one_is_cut_and_fits_into_a_reply(character: str) -> None:
    class Large(Exception):
        pass

    Large.__name__ = "x" * 1_000_000
    failure = Failure.of(Large("head" + character * 3_000_000 + "tail"))
    assert failure.message.startswith("head")
    assert failure.message.endswith("tail")
    assert "characters left out" in failure.message
    # 1 MiB, less its frame.
    assert len(dumps(Outcome(failure=failure).as_json())) < 1_048_000


def test_a_browser_is_told_what_is_public() -> None:
    name, text = "OutOfStock", "no teapots"
    told = Failure(name, text, public=True).for_browser()
    assert told == {"type": name, "message": text}
    assert text not in str(Failure(name, text).for_browser())


def test_one_that_cannot_be_told_keeps_its_type() -> None:
    class Mute(Exception):
        @property
        def message(self) -> str:
            raise RuntimeError("of message")

        def __str__(self) -> str:
            raise RuntimeError("of __str__")

    failure = Failure.of(Mute())
    assert failure.type == "Mute"
    assert "RuntimeError" in failure.message
    assert "Mute" in failure.traceback


def test_one_whose_traceback_fails_keeps_its_message() -> None:
    # As a parser leaves it that gives its own kind of place.
    error = SyntaxError("no such tag")
    error.lineno, error.offset, error.text = 1, "first", "{% x %}"  # type: ignore[assignment]
    failure = Failure.of(error)
    assert "no such tag" in failure.message
    assert "TypeError" in failure.traceback


@pytest.mark.parametrize(
    ("text", "fit"),
    [
        ("no ☃", "no ☃"),
        ("a\0b\x1b", "a\\x00b\\x1b"),
        ("\ud800\ufffe", "\\ud800\\ufffe"),
        ("", "-"),
        ("☃" * 1_000, "☃" * 333),
    ],
)
def test_any_text_makes_an_attribute(text: str, fit: str) -> None:
    attribute = text_attribute(text, 1_000)
    check({"reason": attribute})
    assert attribute["StringValue"] == fit


def test_attributes_that_are_too_large_together_are_refused() -> None:
    attributes = {
        f"a{i}": {"DataType": "String", "StringValue": "x" * 120_000} for i in range(10)
    }
    with pytest.raises(ConfigurationError, match="Make them arguments"):
        check(attributes)


def test_the_sentence_is_the_same_where_it_cannot_be_translated() -> None:
    failure = Failure("ValueError", "no")
    xml = files("trytond.modules.async_sqs").joinpath("message.xml").read_text()
    record = xml.partition('id="msg_task_failed"')[2]
    text = re.findall('<field name="text">(.*)</field>', record)[0]
    assert failure.for_browser()["message"] == text % {"error": failure.id}


def test_a_cancelled_one_has_no_value() -> None:
    cancelled = Outcome(cancelled=True)
    assert Outcome.from_json(cancelled.as_json()) == cancelled
    assert cancelled.state is State.CANCELLED
    assert cancelled.state.finished


def test_what_is_stored_is_read() -> None:
    for failure in (
        Failure("ValueError", "no", "trace", sentence="Nein."),
        Failure("UserError", "no", "trace", public=True),
    ):
        assert Failure.from_json(failure.as_json(), "trace") == failure
    assert Failure("A", "b").id != Failure("A", "b").id


@pytest.mark.parametrize("stored", [None, [], {}, {"type": "A"}, {"state": "done"}])
def test_what_no_release_has_written_is_refused(stored: Any) -> None:
    with pytest.raises(BadMessage, match="no failure"):
        Failure.from_json(stored)
    with pytest.raises(BadMessage, match="no outcome"):
        Outcome.from_json(stored)


def test_the_text_of_a_state_is_its_value() -> None:
    assert str(State.DONE) == f"{State.DONE}" == "done"


def test_a_browser_is_told_the_stored_sentence_and_an_id_where_there_is_one() -> None:
    told = Failure("E", "m", id="1a", sentence="Das ging nicht.").for_browser()
    assert told == {"type": "TaskFailed", "message": "Das ging nicht.", "id": "1a"}
    without = Failure("E", "m", id="").for_browser()
    assert without == {"type": "TaskFailed", "message": without["message"]}
    assert str(Failure("E", "m", id="1a").for_browser()["message"]).endswith(" 1a.")
