"""The frequent calls of SQS, on connections of their own: half of boto3's price.

A call of boto3 passes through its layers of events, serializers and endpoint rules, and
through those of urllib3. What is called for each ten tasks takes a shorter way here.
botocore still signs, with the client's own credentials, and reads errors.
"""

from __future__ import annotations

import base64
import json
import ssl
from collections import deque
from functools import cache
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit
from weakref import finalize

from botocore.awsrequest import AWSRequest, HeadersDict
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.httpsession import get_cert_path
from botocore.parsers import create_parser
from botocore.utils import get_environ_proxies
from urllib3.response import HTTPResponse as PooledResponse
from urllib3.util.wait import wait_for_read

if TYPE_CHECKING:
    from botocore.signers import RequestSigner
    from types_boto3_sqs import SQSClient

#: SQS's names of boto3's operations.
_OPERATIONS = {
    "delete_message_batch": "DeleteMessageBatch",
    "receive_message": "ReceiveMessage",
    "send_message_batch": "SendMessageBatch",
}
#: Of the one protocol that is spoken here. botocore may come to prefer another one.
_TARGET = "AmazonSQS."
#: botocore's errors of connections that could not be made.
_FAILURES = (
    (TimeoutError, ConnectTimeoutError),
    (ssl.SSLError, SSLError),
    (OSError, EndpointConnectionError),
)


class _Example(NamedTuple):
    """A request of the client's, after which others are made."""

    signer: RequestSigner
    url: str
    context: dict[str, Any]
    headers: dict[str, str]


class DirectCalls:
    """Calls for one client, in one try each. Thread-safe; not to be used after a fork.

    The client's first call shows where and how SQS is called. Before it, and where the
    client's connections are special (a proxy, a bundle of certificates) or something
    else answers in SQS's place (such as moto's mock), nothing is called directly.

    :param connect_timeout_s: until a connection is made, in seconds.
    :param timeout_s: of each read, in seconds.
    """

    def __init__(
        self, client: SQSClient, connect_timeout_s: float, timeout_s: float
    ) -> None:
        self._client = client
        self._connect_timeout_s = connect_timeout_s
        self._timeout_s = timeout_s
        self._idle: deque[HTTPConnection] = deque()
        # Nobody has to close it, as nobody has to close a client of boto3.
        finalize(self, _close, self._idle)
        self._last: _Example | None = None
        self._example: _Example | None = None
        client.meta.events.register("before-sign.sqs", self._note_request)
        client.meta.events.register("after-call.sqs", self._note_answer)

    def _note_request(
        self, request: Any, request_signer: RequestSigner, **_: Any
    ) -> None:
        if self._example is None and self._is_plain(request):
            headers = {it: request.headers[it] for it in ("Content-Type", "User-Agent")}
            context = dict(request.context)
            self._last = _Example(request_signer, request.url, context, headers)

    def _is_plain(self, request: Any) -> bool:
        if not request.headers.get("X-Amz-Target", "").startswith(_TARGET):
            return False
        if get_environ_proxies(request.url):
            return False
        return not request.url.startswith("https:") or _verifies(self._client)

    def _note_answer(self, http_response: Any, **_: Any) -> None:
        if isinstance(http_response.raw, PooledResponse):
            self._example = self._last

    def __contains__(self, operation: str) -> bool:
        """Whether an operation of boto3's is called directly, by now."""
        return self._example is not None and operation in _OPERATIONS

    def call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Make a call, and return what the client would.

        :raises ClientError: SQS answers with an error.
        :raises BotoCoreError: the connection fails, or there are no credentials.
        """
        assert self._example is not None
        name, url = _OPERATIONS[operation], self._example.url
        response, body = self._answer(url, _signed(self._example, name, parameters))
        if response.status != HTTPStatus.OK:
            raise _error(name, response, body)
        try:
            return _read(body)
        except ValueError as error:
            # Of something between SQS and here: temporary.
            raise ClientError({"Error": {"Code": "InternalFailure"}}, name) from error

    def _answer(self, url: str, request: Any) -> tuple[HTTPResponse, bytes]:
        connection = self._idle_connection() or self._connect(url)
        try:
            path, headers = urlsplit(url).path or "/", dict(request.headers.items())
            connection.request("POST", path, request.data, headers)
            response = connection.getresponse()
            body = response.read()
        except BaseException as error:
            connection.close()
            if isinstance(error, TimeoutError):
                raise ReadTimeoutError(endpoint_url=url, error=error) from error
            if isinstance(error, (OSError, HTTPException)):
                raise ConnectionClosedError(endpoint_url=url) from error
            raise
        if response.will_close:
            connection.close()
        else:
            self._idle.append(connection)
        return response, body

    def _idle_connection(self) -> HTTPConnection | None:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            # There is nothing to read, unless the other side has closed it.
            if not wait_for_read(connection.sock, timeout=0.0):
                return connection
            connection.close()

    def _connect(self, url: str) -> HTTPConnection:
        parts, timeout_s = urlsplit(url), self._connect_timeout_s
        host = parts.hostname or ""
        connection = (
            HTTPSConnection(host, parts.port, timeout=timeout_s, context=_tls())
            if parts.scheme == "https"
            else HTTPConnection(host, parts.port, timeout=timeout_s)
        )
        try:
            connection.connect()
        except OSError as error:
            connection.close()
            kind = next(it for known, it in _FAILURES if isinstance(error, known))
            raise kind(endpoint_url=url, error=error) from error
        connection.sock.settimeout(self._timeout_s)
        return connection

    def close(self) -> None:
        """Close all connections. Not to be called while another thread makes a call."""
        _close(self._idle)


def _close(connections: deque[HTTPConnection]) -> None:
    while connections:
        connections.pop().close()


def _verifies(client: SQSClient) -> bool:
    """Whether certificates are verified with boto3's own bundle."""
    # Only the client's HTTP session knows.
    session = getattr(getattr(client, "_endpoint", None), "http_session", None)
    return getattr(session, "_verify", None) is True


def _signed(example: _Example, name: str, parameters: dict[str, Any]) -> AWSRequest:
    request = AWSRequest(
        method="POST",
        url=example.url,
        headers={**example.headers, "X-Amz-Target": f"{_TARGET}{name}"},
        data=json.dumps(parameters, default=_base64).encode(),
    )
    request.context.update(example.context)
    example.signer.sign(name, request)
    return request


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _read(body: bytes) -> dict[str, Any]:
    # Bytes are rare: only a user's own attributes have them.
    hook = _with_bytes if b'"BinaryValue"' in body else None
    answer: dict[str, Any] = json.loads(body, object_hook=hook)
    return answer


def _with_bytes(part: dict[str, Any]) -> dict[str, Any]:
    if isinstance(part.get("BinaryValue"), str):
        part["BinaryValue"] = base64.b64decode(part["BinaryValue"])
    return part


def _error(name: str, response: HTTPResponse, body: bytes) -> ClientError:
    answer = {
        "status_code": response.status,
        "headers": HeadersDict(response.headers.items()),
        "body": body,
        "context": {"operation_name": name},
    }
    parser: Any = create_parser("json")
    return ClientError(parser.parse(answer, None), name)


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=get_cert_path(True))
