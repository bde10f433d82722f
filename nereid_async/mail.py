"""Mail: the commonest task of a shop, built in.

:func:`send_mail` puts a mail off; the task :func:`send` hands it to the SMTP server
that section ``[email]`` of trytond.conf names. trytond's own ``sendmail`` is of no use
there: it does not tell which recipients were refused, repeats a mail whose connection
broke at its end up to five times, and without ``strict`` swallows errors.
"""

from __future__ import annotations

import copy
import datetime as dt
import logging
import smtplib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from email.message import Message
from email.utils import format_datetime, getaddresses, make_msgid
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qs, urlsplit, urlunsplit

from trytond.sendmail import get_smtp_server

from .errors import (
    DeferralError,
    MailRefused,
    MailServerUnavailable,
    Retry,
    TimeLimitExceeded,
)
from .result import AsyncResult
from .task import async_task
from .texts import cut, joined, one_line
from .tryton_config import config

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .task_types import Changes

logger = logging.getLogger(__name__)

#: Replies by recipient: the code, and the text.
Replies: TypeAlias = Mapping[str, tuple[int, str]]

#: Half a minute, a minute, two, … and then an hour each: a day, and two hours to spare.
MAX_ATTEMPTS, RETRY_DELAY_S = 42, 30.0
#: For each answer of the server, unless the URI says ``?timeout=``.
TIMEOUT_S = 60
#: For the answer to QUIT: the mail is handed over, and the task not committed yet.
_GOODBYE_S = 5.0
_REPLY_MAX_CHARS = 500
#: Options that go on to the tasks of those who were refused; nobody waits for these.
_CARRIED = (
    "queue",
    "priority",
    "visibility_timeout",
    "max_attempts",
    "retry_delay",
    "time_limit",
    "attributes",
)
_NOT_ASKED = (421, "not asked: the server closed the connection")


def send_mail(
    message: Message,
    from_addr: str | None = None,
    to_addrs: str | Sequence[str] | None = None,
    **options: Unpack[Changes],
) -> AsyncResult[dict[str, Any]]:
    """Ask for the delivery of a mail after the commit of the current transaction.

    The mail is copied. ``From``, if missing, is that of trytond's configuration; so
    are set ``Date`` and ``Message-ID``. ``Bcc`` is removed.

    :param message: an :class:`~email.message.EmailMessage`.
    :param from_addr: envelope sender; that of ``Sender`` or ``From`` if not given.
    :param to_addrs: recipients; those of ``To``, ``Cc`` and ``Bcc`` if not given.
    :param options: of the task, as ``configure`` takes them, such as ``queue``.
    :returns: the handle. With ``ignore_result=False`` its value tells who has the mail
        (``delivered``), and who was refused and why (``refused``).
    :raises DeferralError: no recipient, an address that is none, no transaction.
    :raises MessageTooLarge: the mail is larger than a message may be.
    """
    recipients = _addresses(_of_headers(message) if to_addrs is None else to_addrs)
    if not recipients:
        raise DeferralError("the mail has no recipient: no To, Cc, Bcc, nor to_addrs")
    mail = copy.copy(message)
    # Removing gives the copy a list of headers of its own.
    del mail["Bcc"]
    if "From" not in mail:
        mail["From"] = from_addr or config.get("email", "from", default="")
    sender = _sender(from_addr or str(mail["Sender"] or mail["From"]))
    if "Date" not in mail:
        mail["Date"] = format_datetime(dt.datetime.now(dt.timezone.utc))
    if "Message-ID" not in mail:
        # A second copy, after a crash, can be told by it.
        author = _addresses(str(mail["From"]))[0]
        mail["Message-ID"] = make_msgid(domain=author.rpartition("@")[2])
    carried = {name: it for name, it in options.items() if name in _CARRIED}
    return send.configure(**options).defer(mail, sender, recipients, carried)


@async_task(
    max_attempts=MAX_ATTEMPTS, retry_delay=RETRY_DELAY_S, retry_on=TimeLimitExceeded
)
def send(
    message: Message, from_addr: str, to_addrs: list[str], options: dict[str, Any]
) -> dict[str, Any]:
    """Hand a mail to the SMTP server.

    What is refused for now is tried again, for a day; what is refused for good fails
    at once. If some recipients were refused and others not, those go into tasks of
    their own, so that the others do not get the mail twice.

    :param options: of the task, for those.
    :returns: who has the mail, and who has not, and why.
    :raises MailRefused: the server refuses it for good, for all recipients.
    """
    try:
        with _smtp_server() as server:
            refused = _hand_over(server, message, from_addr, to_addrs)
    except MailServerUnavailable as error:
        raise Retry() from error
    later = {it: reply for it, reply in refused.items() if reply[0] // 100 != 5}
    never = {it: reply for it, reply in refused.items() if it not in later}
    if len(later) == len(to_addrs):
        raise Retry() from _refusal(later)
    if len(never) == len(to_addrs):
        raise _refusal(never)
    for part, delay_s in (
        (later, options.get("retry_delay", RETRY_DELAY_S)),
        (never, 0),
    ):
        if part:
            task = send.configure(**options, delay=delay_s)
            result = task.defer(message, from_addr, list(part), options)
            logger.warning(
                "mail %s: %s; task %s tries them alone, the others are done with",
                message["Message-ID"],
                _refusal(part),
                result.id,
            )
    return {
        "delivered": [it for it in to_addrs if it not in refused],
        "refused": {it: _told(reply) for it, reply in refused.items()},
    }


def _hand_over(
    server: smtplib.SMTP, message: Message, from_addr: str, to_addrs: list[str]
) -> Replies:
    """Hand the mail over; returns what was said of those who have not got it.

    :raises MailServerUnavailable: the server did not say.
    """
    # Not every server takes 8 bits.
    message.policy = message.policy.clone(cte_type="7bit")
    try:
        refused = server.send_message(message, from_addr, to_addrs)
    except smtplib.SMTPRecipientsRefused as error:
        # Nobody has got it, also who was not refused.
        asked = _replies(error.recipients)
        return {it: asked.get(it, _NOT_ASKED) for it in to_addrs}
    except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
        return _replies(dict.fromkeys(to_addrs, (error.smtp_code, error.smtp_error)))
    except smtplib.SMTPNotSupportedError as error:
        return dict.fromkeys(to_addrs, (553, one_line(error)))
    except (smtplib.SMTPException, OSError) as error:
        raise _unavailable(error) from error
    return _replies(refused)


@contextmanager
def _smtp_server() -> Iterator[smtplib.SMTP]:
    """A connection to trytond's SMTP server, made anew for each mail.

    :raises MailServerUnavailable: there is none.
    """
    uri = config.get("email", "uri", default="")
    if not uri:
        raise MailServerUnavailable(
            "no mail server is configured: set uri in section [email] of trytond.conf"
        )
    try:
        server = get_smtp_server(_with_timeout(uri), strict=True)
    except Exception as error:
        # Whatever it is, a wrong password too: the mail is not at fault.
        raise _unavailable(error) from error
    try:
        yield server
    finally:
        # Nothing that goes wrong now concerns the mail.
        with suppress(Exception):
            if server.sock is not None:
                server.sock.settimeout(_GOODBYE_S)
            server.quit()


def _with_timeout(uri: str) -> str:
    """The URI with a time-out: else a server that is silent would hold a thread."""
    parts = urlsplit(uri)
    if "timeout" in parse_qs(parts.query):
        return uri
    query = "&".join(filter(None, (parts.query, f"timeout={TIMEOUT_S}")))
    return urlunsplit(parts._replace(query=query))


def _unavailable(error: Exception) -> MailServerUnavailable:
    kind = type(error).__name__
    return MailServerUnavailable(f"mail server {_place()}: {kind}: {one_line(error)}")


def _place() -> str:
    """Host and port of the server, without user and password."""
    uri: str = config.get("email", "uri", default="")
    try:
        return urlsplit(uri).netloc.rpartition("@")[2]
    except ValueError:
        return "of [email] uri"


def _replies(replies: Mapping[str, tuple[int, bytes | str]]) -> Replies:
    return {it: (code, _text(text)) for it, (code, text) in replies.items()}


def _text(text: bytes | str) -> str:
    plain = text if isinstance(text, str) else text.decode("utf-8", "replace")
    return cut(joined(plain), _REPLY_MAX_CHARS)


def _told(reply: tuple[int, str]) -> str:
    return f"{reply[0]} {reply[1]}"


def _refusal(replies: Replies) -> MailRefused:
    return MailRefused({it: _told(reply) for it, reply in replies.items()})


# -- addresses -----------------------------------------------------------------


def _of_headers(message: Message) -> list[str]:
    headers = [it for name in ("To", "Cc", "Bcc") for it in message.get_all(name, [])]
    texts: list[str] = []
    for header in headers:
        # An empty group, such as undisclosed-recipients, has none.
        addresses = getattr(header, "addresses", None)
        texts += [str(header)] if addresses is None else map(str, addresses)
    return texts


def _addresses(given: str | Sequence[str]) -> list[str]:
    """The addresses alone, each once.

    :raises DeferralError: one is none.
    """
    texts = [given] if isinstance(given, str) else list(given)
    found = [address for _, address in getaddresses(texts)]
    for address in found:
        name, _, domain = address.rpartition("@")
        # A line end would begin another command of SMTP.
        if not name or not domain or not address.isprintable():
            raise DeferralError(
                f"mail: {', '.join(map(repr, texts))}: {address!r} is no address with "
                "a domain"
            )
    return list(dict.fromkeys(found))


def _sender(text: str) -> str:
    try:
        (address,) = _addresses(text)
    except (ValueError, DeferralError):
        raise DeferralError(
            f"mail: the sender {text!r} is not one address with a domain; give From, "
            "or set from in section [email] of trytond.conf"
        ) from None
    return address
