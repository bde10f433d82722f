"""Settings are taken, or refused by an error that names them and keeps secrets."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nereid_async.errors import ConfigurationError
from nereid_async.settings import Settings, load

KEY = "a-key-that-is-long-enough"
NAMES = [field.name for field in fields(Settings)]
ANYTHING = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.lists(st.text() | st.integers(), max_size=3)
    | st.dictionaries(st.text(), st.integers(), max_size=2)
)


@given(st.sampled_from(NAMES), ANYTHING)
def test_any_value(name: str, value: Any) -> None:
    key = f"ASYNC_{name.upper()}"
    try:
        settings = load({"SECRET_KEY": KEY, key: value})
    except ConfigurationError as error:
        assert name in str(error).lower()
    else:
        assert isinstance(settings, Settings)


@given(
    st.text(st.characters(exclude_categories=["Z", "C"])).map(
        "S3CRET-OF-THIS-SHOP{}".format
    ),
    st.sampled_from(NAMES),
)
def test_secrets_stay_out_of_errors_and_descriptions(secret: str, name: str) -> None:
    config = {
        "ASYNC_SIGNING_KEY": [secret],
        "ASYNC_SQS_ACCESS_KEY": secret,
        "ASYNC_SQS_SECRET_KEY": secret,
        f"ASYNC_{name.upper()}_": 1,
    }
    try:
        load(config)
    except ConfigurationError as error:
        assert secret not in str(error)
    del config[f"ASYNC_{name.upper()}_"]
    assert secret not in repr(load(config).described())


@given(st.text(), ANYTHING)
def test_any_name(name: str, value: Any) -> None:
    try:
        load({"SECRET_KEY": KEY, f"ASYNC_{name}": value})
    except ConfigurationError:
        pass
