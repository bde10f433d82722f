"""Reads the settings from their places, and checks that they fit together."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from ..errors import ConfigurationError
from ..limits import SQS_MESSAGE_MAX_BYTES, SQS_RETENTION_MAX_S
from ..tryton_config import config as tryton_config
from ..tryton_config import of_environment
from .keys import key
from .record import Settings

logger = logging.getLogger(__name__)

SECTION = "async_sqs"
PREFIX = "ASYNC_"
#: What the names of its variables in the environment begin with, for trytond.
_VARIABLE = "TRYTOND_ASYNC_SQS__"
#: The place of a setting that nobody has set.
DEFAULT = "default"

_OPTIONS = {option.name: option for option in fields(Settings)}


def load(
    app_config: Mapping[str, Any] | None = None, *, signs: bool = True
) -> Settings:
    """Read the settings of an app or, without one, of this Tryton process.

    Logs a warning if there are settings of Amazon SQS, and none of what is to use them.

    :param app_config: the app's configuration; None outside a web app. Its SECRET_KEY
        signs if ``signing_key`` is not set.
    :param signs: whether to insist on a key; False for what neither signs nor verifies.
    :raises ConfigurationError: an option is unknown, ill-typed or missing; the text
        names it and where it was looked for.
    """
    found = _from_tryton()
    if app_config is not None:
        found.update(_from_app(app_config))
    values = {
        name: _parse(_OPTIONS[name].metadata["parse"], raw, place)
        for name, (raw, place) in found.items()
    }
    if app_config is not None and "signing_key" not in values:
        values["signing_key"] = tuple(_secret_keys(app_config))
    settings = Settings(**values)
    if signs:
        require_key(settings, web=app_config is not None)
    _check(settings)
    if (text := _unused(settings, found)) is not None:
        logger.warning("%s", text)
    return settings


def unused(settings: Settings) -> str | None:
    """What is wrong if trytond.conf has settings of SQS, and nothing uses them."""
    return _unused(settings, _from_tryton())


def _unused(settings: Settings, found: Mapping[str, tuple[Any, str]]) -> str | None:
    # The old module knew no other broker, and so no setting for that.
    if "broker" in found or "sqs" in (settings.broker, settings.result_store):
        return None
    places = [
        place
        for name, (_, place) in found.items()
        # The queue is a setting of the broker ``database``, too.
        if name.startswith("sqs_") and (name != "sqs_queue" or "[options]" in place)
    ]
    if not places:
        return None
    return (
        f"{', '.join(places)}: set, but broker is not, so the database carries the "
        f"tasks. Set broker = sqs in section [{SECTION}] for Amazon SQS, or broker = "
        "database to keep it so"
    )


def places_of(settings: Settings) -> dict[str, str]:
    """Where each setting in force comes from, by its name.

    Of two places with the same value, the one that is looked at first is named.
    """
    found = _from_tryton()
    environment = of_environment()
    places = {}
    for name, option in _OPTIONS.items():
        value = getattr(settings, name)
        raw, place = found.get(name, (None, ""))
        if name in found and _parse(option.metadata["parse"], raw, place) == value:
            variable = f"{_VARIABLE}{name.upper()}"
            section = place.rpartition("section ")[2]
            in_environment = environment.get(SECTION, name, fallback=None) == raw
            places[name] = variable if in_environment else f"trytond.conf {section}"
        elif value == option.default:
            places[name] = DEFAULT
        else:
            places[name] = "app.config"
    return places


def _from_tryton() -> dict[str, tuple[Any, str]]:
    found: dict[str, tuple[Any, str]] = {}
    # The old module looked for sqs_* in [options].
    for section in ("options", SECTION):
        if not tryton_config.has_section(section):
            continue
        for name in tryton_config.options(section):
            place = f"{name} in trytond.conf's section [{section}]"
            ours = name.startswith("sqs_") and name in _OPTIONS
            if section == "options" and not ours:
                continue
            found[_known(name, place)] = (tryton_config.get(section, name), place)
    return found


def _from_app(app_config: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    found = {}
    for name, value in app_config.items():
        if name.startswith(PREFIX):
            place = f"{name} in app.config"
            found[_known(name.removeprefix(PREFIX).lower(), place)] = (value, place)
    return found


def _known(name: str, place: str) -> str:
    if name not in _OPTIONS:
        near = get_close_matches(name, _OPTIONS, 1)
        which = (
            f"is it {near[0]}?" if near else f"there are: {', '.join(sorted(_OPTIONS))}"
        )
        raise ConfigurationError(f"unknown setting {place}; {which}")
    return name


def _secret_keys(app_config: Mapping[str, Any]) -> Iterator[bytes]:
    """The app's SECRET_KEY and its SECRET_KEY_FALLBACKS, as Flask reads them."""
    secret_key = app_config.get("SECRET_KEY")
    if not secret_key:
        return
    yield _parse(key, secret_key, "SECRET_KEY in app.config")
    name = "SECRET_KEY_FALLBACKS"
    fallbacks = app_config.get(name) or []
    if not isinstance(fallbacks, (list, tuple)):
        raise ConfigurationError(f"setting {name} in app.config: expected a list")
    for fallback in fallbacks:
        yield _parse(key, fallback, f"{name} in app.config")


def _parse(parse: Callable[[Any], Any], raw: Any, place: str) -> Any:
    try:
        return parse(raw)
    except ValueError as error:
        # The text has what is expected, not the value, which may be a secret.
        raise ConfigurationError(f"setting {place}: expected {error}") from None


def require_key(settings: Settings, *, web: bool = False) -> None:
    """Insist on a key that signs messages.

    :param web: whether the settings are those of a web app.
    :raises ConfigurationError: there is none; the text names where it was looked for.
    """
    if settings.signing_key:
        return
    places, besides = (
        f"{_VARIABLE}SIGNING_KEY in the environment",
        (
            ". A command has that of a web app by --app, a script inside `with "
            "app.app_context()`; a test needs none where it captures "
            "(nereid_async.testing)"
        ),
    )
    if web:
        places, besides = "ASYNC_SIGNING_KEY and SECRET_KEY in app.config", ""
    raise ConfigurationError(
        f"no signing key: looked for {places}, and signing_key in trytond.conf's "
        f"section [{SECTION}]. Web and worker need the same one{besides}"
    )


def _check(settings: Settings) -> None:
    if settings.broker == "sqs" and settings.row_ttl <= SQS_RETENTION_MAX_S:
        raise ConfigurationError(
            f"setting row_ttl = {settings.row_ttl:g}: SQS may deliver a message for "
            f"{SQS_RETENTION_MAX_S} s, and its row has to outlive it"
        )
    if settings.broker != "sqs" and not settings.outbox:
        raise ConfigurationError(
            f"setting outbox = no goes with broker = sqs only, "
            f"not with {settings.broker}: there the row is the message"
        )
    if settings.max_message_bytes > SQS_MESSAGE_MAX_BYTES and not settings.outbox:
        raise ConfigurationError(
            f"setting max_message_bytes = {settings.max_message_bytes} needs outbox = "
            f"yes: without rows the call itself is sent, and SQS takes "
            f"{SQS_MESSAGE_MAX_BYTES} bytes"
        )
    if settings.send == "background" and not settings.outbox:
        raise ConfigurationError(
            "setting send = background needs outbox = yes: what a process has not "
            "sent when it is killed is in its row, or lost"
        )
    if settings.results == "database" and not settings.outbox:
        raise ConfigurationError(
            "setting results = database needs outbox = yes: the result is in the row"
        )
    if settings.result_store == "sqs" and not settings.sqs_create_queues:
        raise ConfigurationError(
            "setting sqs_create_queues = no goes with results = database: a reply on "
            "SQS waits in a queue of its own, made when it is sent"
        )
    if bool(settings.sqs_access_key) != bool(settings.sqs_secret_key):
        raise ConfigurationError(
            "settings sqs_access_key and sqs_secret_key go together: one is missing"
        )
