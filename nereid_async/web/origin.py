"""The base URL of the links that a task makes, which must be the website's own.

With one website, Nereid answers to any Host header, which the client chooses. A link
made from it, in a mail say, would lead to a host of an attacker's choice.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from werkzeug.sansio.utils import get_current_url, host_is_trusted

from ..throttled_log import ThrottledLog

#: A name with a dot in it, maybe with a port: a host, not the title of a shop.
_HOST_NAME = re.compile(r"(?:[a-z0-9-]+\.)+[a-z0-9-]+(?::\d+)?", re.IGNORECASE)

#: A host, maybe with a port, without characters that browsers, mail programs and Python
#: read in different ways. Older releases of werkzeug accept more.
_PLAIN_HOST = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d+)?", re.I | re.ASCII)

_REMEDY = "set ASYNC_BASE_URL, or list the host in TRUSTED_HOSTS"


class Origins:
    """Finds the base URL of requests: scheme, host and root path. Thread-safe.

    :param given: the setting ``base_url``: by the website's name, or for all by "".
    :param trusted: the app's own ``TRUSTED_HOSTS``.
    """

    def __init__(self, given: Mapping[str, str], trusted: Sequence[str]) -> None:
        self._given = given
        self._trusted = trusted
        self._log = ThrottledLog(logging.getLogger(__name__))

    def base_url(self, request: Any, name: str) -> str:
        """The base URL for the links of tasks that a request defers.

        :param name: the name of the request's website, which is its host's, or should
            be; empty if the app has none.
        """
        if "" in self._given:
            return self._given[""]
        if name in self._given:
            return self._given[name]
        url, host = str(request.url_root), str(request.host)
        is_plain = _PLAIN_HOST.fullmatch(host)
        if is_plain and (_is_of(name, host) or self._is_trusted(host)):
            return url
        if not _HOST_NAME.fullmatch(name):
            self._log.warning(
                ("unknown", name),
                "links in tasks lead to host %r, as the request has it: %s, so this "
                "cannot be checked; %s",
                host,
                f"website {name!r} is not named after its host"
                if name
                else "the app has no SERVER_NAME",
                _REMEDY,
            )
            return url
        self._log.warning(
            ("foreign", name),
            "links in the tasks of a request for host %r lead to website %r instead. "
            "If the host is one of the website's, %s",
            host,
            name,
            _REMEDY,
        )
        return get_current_url(request.scheme, name, request.root_path)

    def _is_trusted(self, host: str) -> bool:
        # An empty list means all hosts in some versions of werkzeug, none in others.
        return bool(self._trusted) and host_is_trusted(host, self._trusted)


def _is_of(website: str, host: str) -> bool:
    """Whether a host is that of the website's name, or a loopback address."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if website.lower() in (host.lower(), name):
        return True
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
