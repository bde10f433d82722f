"""Every option once: name, type, default, unit and range; one frozen record an app.

An option ``visibility_timeout`` is ``ASYNC_VISIBILITY_TIMEOUT`` in ``app.config``,
``visibility_timeout`` in trytond.conf's section ``[async_sqs]`` and
``TRYTOND_ASYNC_SQS__VISIBILITY_TIMEOUT`` in the environment (which trytond itself
copies into its configuration). ``app.config`` wins.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from dataclasses import field as dataclass_field
from typing import Any

from trytond.config import config as tryton_config

from .cipher import checked_key
from .errors import ConfigurationError
from .headers import headers
from .keys import key, keys
from .urls import checked_url, masked

SECTION = "async_sqs"
PREFIX = "ASYNC_"

#: SQS refuses anything longer; checked here since not every server does.
SQS_NAME_MAX_CHARS = 80

#: The old module's.
DEFAULT_QUEUE = "trytond-async"

SQS_RETENTION_MAX_S = 1_209_600

#: What the endpoint sets by itself.
_POLL_HEADERS_TAKEN = {
    "cache-control",
    "content-length",
    "content-type",
    "retry-after",
    "set-cookie",
    "x-content-type-options",
}

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError("yes or no")


def _text(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        # Digits, as Config.from_prefixed_env() reads them.
        return str(value)
    if not isinstance(value, str):
        raise ValueError("text; in quotation marks where JSON would take it for more")
    return value.strip()


def _account(value: Any) -> str:
    # Accounts have twelve digits; numbers lose those that are 0.
    return _text(value).zfill(12) if isinstance(value, int) else _text(value)


def _url(value: Any) -> str:
    return checked_url(_text(value))


def queue_name(value: Any) -> str:
    """The short name of a queue.

    :raises ValueError: saying what is expected.
    """
    name = _name_part(value)
    if not name or name.startswith("-") or name.endswith("-"):
        raise ValueError("a name that begins and ends with a letter, digit or _")
    if name == "dead":
        raise ValueError("another name: this one is the end of dead-letter queues'")
    return name


def _name_part(value: Any) -> str:
    name = _text(value)
    if not all(c.isascii() and (c.isalnum() or c in "-_") for c in name):
        raise ValueError("letters, digits, - and _ only")
    if len(name) > SQS_NAME_MAX_CHARS:
        raise ValueError(f"at most {SQS_NAME_MAX_CHARS} characters")
    return name


def _base_url(value: Any) -> tuple[tuple[str, str], ...]:
    # By the website's name; one for all has none.
    given = value if isinstance(value, Mapping) else {"": value}
    urls = [(_text(name), _url(url)) for name, url in given.items()]
    # A path is that of a folder.
    return tuple((name, url.rstrip("/") + "/") for name, url in urls if url)


def _poll_headers(value: Any) -> tuple[tuple[str, str], ...]:
    return headers(value, _POLL_HEADERS_TAKEN)


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.replace(",", " ").split()
    if not isinstance(value, Iterable):
        raise ValueError("a list of names")
    return tuple(_text(name) for name in value)


def _encryption_keys(value: Any) -> tuple[bytes, ...]:
    return tuple(checked_key(key) for key in keys(value))


def _number(low: float, high: float) -> Callable[[Any], float]:
    def parse(value: Any) -> float:
        if isinstance(value, bool):
            raise ValueError("a number")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        except (TypeError, ValueError):
            raise ValueError("a number") from None
        if not low <= number <= high:
            raise ValueError(f"{low:g} to {high:g}")
        return number

    return parse


def _whole(low: int, high: int) -> Callable[[Any], int]:
    within = _number(low, high)

    def parse(value: Any) -> int:
        number = within(value)
        if number != int(number):
            raise ValueError("a whole number")
        return int(number)

    return parse


def _choice(*choices: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if value not in choices:
            raise ValueError(" or ".join(choices))
        return str(value)

    return parse


def _masked(value: Any) -> str:
    return "***" if value else repr(value)


def _option(
    parse: Callable[[Any], Any],
    default: Any,
    doc: str,
    show: Callable[[Any], str] = repr,
) -> Any:
    return dataclass_field(
        default=default, metadata={"parse": parse, "doc": doc, "show": show}
    )


@dataclass(frozen=True, repr=False)
class Settings:
    """The settings of one app, or of one database where there is no app."""

    broker: str = _option(
        _choice("database", "sqs", "memory"),
        "database",
        "What carries the messages: ``database``, ``sqs``, or ``memory`` for tests.",
    )
    results: str = _option(
        _choice("", "database", "sqs", "memory"),
        "",
        "Where replies wait; empty: where the broker keeps them.",
    )
    outbox: bool = _option(
        _boolean,
        True,
        "Whether each task has a row. ``no`` goes with ``sqs`` only, and gives up "
        "that nothing is lost and that effects are single.",
    )
    signing_key: tuple[bytes, ...] = _option(
        keys,
        (),
        "Secret that signs messages and ids, of 16 bytes or more; if not set, the "
        "app's SECRET_KEY, and its SECRET_KEY_FALLBACKS. Several, in a list or with "
        "commas or line ends between: the first signs, all are accepted, and a new one "
        "is put last at first.",
        _masked,
    )
    encryption_key: tuple[bytes, ...] = _option(
        _encryption_keys,
        (),
        "Key of Fernet's that encrypts arguments and results in rows and queues. "
        "Several, for rotation, as of ``signing_key``: the first encrypts.",
        _masked,
    )
    only_tasks: bool = _option(
        _boolean,
        False,
        "Refuse methods without decorator: where they are deferred by ``async.async``, "
        "and in the worker.",
    )
    public_errors: tuple[str, ...] = _option(
        _names,
        (),
        "Exception classes whose texts visitors are told, with their modules, such as "
        "``shop.errors.SoldOut``; those that a class extends count, too.",
    )
    imports: tuple[str, ...] = _option(
        _names, (), "Python modules with plain-function tasks, imported by the worker."
    )
    visibility_timeout: int = _option(
        _whole(1, 43_200),
        60,
        "Seconds a worker holds a task without a sign of life, 1 to 43200.",
    )
    max_attempts: int = _option(
        _whole(1, 1_000), 5, "Attempts before a task is given up, 1 to 1000."
    )
    result_ttl: float = _option(
        _number(60, 1_209_600),
        3_600.0,
        "Seconds a result stays readable, 60 to 1209600 (14 days).",
    )
    row_ttl: float = _option(
        _number(3_600, 31_536_000),
        1_296_000.0,
        "Seconds the row of a finished task is kept, 3600 to 31536000; with sqs "
        "longer than the queue keeps messages (14 days). Default: 15 days.",
    )
    poll_max_wait: float = _option(
        _number(0, 60), 0.0, "Longest ``?wait=`` a poll may ask for, 0 to 60 seconds."
    )
    poll_max_held: int | None = _option(
        _whole(0, 1_000),
        None,
        "Most polls that a process holds at a time, 0 to 1000; the others are answered "
        "at once. Not set: 4, and none where the server has one thread a process. A "
        "quarter of the server's threads is a good number.",
    )
    poll_headers: tuple[tuple[str, str], ...] = _option(
        _poll_headers,
        (),
        "Headers of the answers to polls: a dict, or one ``Name: value`` a line.",
    )
    base_url: tuple[tuple[str, str], ...] = _option(
        _base_url,
        (),
        "Where the links in tasks lead, such as ``https://shop.example.com/``; for "
        "several websites a dict of their names and URLs. Not set: the request's own "
        "host, if it is the website's name or in the app's TRUSTED_HOSTS.",
    )
    fast_poll: bool = _option(
        _boolean,
        True,
        "Whether polls are answered before Nereid's dispatch, and so without the "
        "app's ``before_request`` and ``after_request`` handlers.",
    )
    max_message_bytes: int = _option(
        _whole(1_024, 1_048_576),
        1_048_576,
        "Largest message and result, in bytes, 1024 to 1048576 (SQS's own limit).",
    )
    unknown_grace: float = _option(
        _number(0, 43_200),
        900.0,
        "Seconds a task that no worker can take is kept for a newer one, 0 to 43200.",
    )
    resend_after: float = _option(
        _number(60, 1_209_600),
        3_600.0,
        "Seconds after which a message that was sent, has not run and does not wait in "
        "its queue is sent again, 60 to 1209600.",
    )
    bare_max_age: float = _option(
        _number(60, SQS_RETENTION_MAX_S),
        float(SQS_RETENTION_MAX_S),
        "Seconds after its due time at which a message of ``outbox = no`` does not run "
        "any more, 60 to 1209600 (14 days, for which SQS keeps a message).",
    )
    send: str = _option(
        _choice("request", "background"),
        "request",
        "Who calls the queue service: the ``request`` after its commit, or a thread "
        "of the process, in the ``background``, for all requests together.",
    )
    send_timeout: float = _option(
        _number(0.1, 60),
        2.0,
        "Seconds a request waits for the queue service after its commit, 0.1 to 60.",
    )
    sqs_region: str = _option(_text, "", "AWS region; empty: boto3's own choice.")
    sqs_access_key: str = _option(
        _text, "", "AWS access key; empty: boto3's own chain of credentials.", _masked
    )
    sqs_secret_key: str = _option(
        _text, "", "AWS secret key, with sqs_access_key.", _masked
    )
    sqs_queue: str = _option(queue_name, DEFAULT_QUEUE, "Name of the default queue.")
    sqs_queue_owner: str = _option(
        _account,
        "",
        "AWS account id of the owner of the task queues, if another one. Queues of "
        "another account are never created.",
    )
    sqs_queue_prefix: str = _option(
        _name_part, "", "Put before each queue's name, with a hyphen."
    )
    sqs_create_queues: bool = _option(
        _boolean,
        True,
        "Whether queues that are missing are created. ``no`` takes those that are "
        "there, and goes with ``results = database``: a reply queue is always new.",
    )
    sqs_wait_time: int = _option(
        _whole(0, 20),
        20,
        "Seconds one receive waits, 0 to 20. A worker that is told to stop waits that "
        "long at most; shorter waits cost more requests.",
    )
    sqs_endpoint_url: str = _option(
        _url,
        "",
        "URL of an SQS-compatible server; a user and password in it are not used.",
        lambda url: repr(masked(url)),
    )

    @property
    def result_store(self) -> str:
        """Where replies wait: the setting, or the broker's own place."""
        return self.results or self.broker

    def described(self) -> dict[str, str]:
        """Name and value of every option, for a log; secrets are masked."""
        return {
            option.name: option.metadata["show"](getattr(self, option.name))
            for option in fields(self)
        }

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={it}" for name, it in self.described().items())
        return f"Settings({shown})"


_OPTIONS = {option.name: option for option in fields(Settings)}


def load(app_config: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings of one app or, without one, of this Tryton process.

    :param app_config: the app's configuration; None outside a web app. Its SECRET_KEY
        signs if ``signing_key`` is not set.
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
    _check(settings, web=app_config is not None)
    return settings


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
        raise ConfigurationError(
            f"unknown setting {place}; there are: {', '.join(sorted(_OPTIONS))}"
        )
    return name


def _secret_keys(app_config: Mapping[str, Any]) -> Iterator[bytes]:
    """What signs the app's sessions, and what did so before, as Flask takes them."""
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
        # The value may be a secret: the text says what is expected, not what came.
        raise ConfigurationError(f"setting {place}: expected {error}") from None


def _check(settings: Settings, *, web: bool) -> None:
    if not settings.signing_key:
        looked = (
            "ASYNC_SIGNING_KEY and SECRET_KEY in app.config, and "
            if web
            else "TRYTOND_ASYNC_SQS__SIGNING_KEY in the environment, and "
        )
        raise ConfigurationError(
            f"no signing key: looked for {looked}signing_key in trytond.conf's "
            f"section [{SECTION}]. Web and worker need the same one."
        )
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
