"""A proxy before an SQS server: notes the calls, refuses some, can be switched off.

It answers as AWS does where the servers of the tests are more lenient.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Call:
    """One call on its way to the server.

    :ivar name: such as ``SendMessageBatch``.
    :ivar parameters: what boto3 was given, such as ``QueueUrl``.
    :ivar access_key: whose credentials signed it.
    :ivar of_boto3: whether boto3 has made it, which numbers its attempts.
    """

    name: str
    parameters: dict[str, Any]
    access_key: str
    of_boto3: bool = True

    @property
    def queue(self) -> str:
        """The name of the queue it is about; empty where it is about none."""
        url = self.parameters.get("QueueUrl", "")
        return str(self.parameters.get("QueueName") or url.rpartition("/")[2])


@dataclass(frozen=True)
class Refusal:
    """An error as AWS answers it in its JSON protocol.

    :ivar code: such as ``ThrottlingException``.
    """

    status: int
    code: str
    message: str = "refused by the proxy of the tests"

    @property
    def content(self) -> bytes:
        """The answer's body."""
        fault = {"__type": f"com.amazonaws.sqs#{self.code}", "message": self.message}
        return json.dumps(fault).encode()


#: What SQS takes in bodies and attributes: the characters of XML 1.0.
_TEXT = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")
_MESSAGE_MAX_BYTES = 1_048_576


def as_aws(call: Call) -> Refusal | None:
    """Refuse what AWS refuses, and its likenesses take."""
    if call.name != "SendMessage":
        return None
    attributes = call.parameters.get("MessageAttributes", {})
    texts = [call.parameters["MessageBody"]]
    texts += [it["StringValue"] for it in attributes.values() if "StringValue" in it]
    if not all(_TEXT.fullmatch(text) for text in texts):
        return Refusal(400, "InvalidMessageContents")
    types = [it["DataType"] for it in attributes.values()]
    size_bytes = sum(len(part.encode()) for part in (*attributes, *types, *texts))
    if size_bytes > _MESSAGE_MAX_BYTES:
        return Refusal(400, "InvalidParameterValue", "must be shorter than 1048576")
    return None


@dataclass
class Watch:
    """What is done about calls.

    :ivar before: called before a call is passed on; may refuse it.
    :ivar entry: called for each entry of a batch; may refuse that one.
    :ivar after: called when the server has answered, before the caller hears of it.
    :ivar loses: whether the server's answer gets lost on its way.
    """

    before: Callable[[Call], Refusal | None] = field(default=lambda call: None)
    entry: Callable[[Call], Refusal | None] = field(default=lambda call: None)
    after: Callable[[Call], object] = field(default=lambda call: None)
    loses: Callable[[Call], bool] = field(default=lambda call: False)

    def sift(self, call: Call) -> list[dict[str, Any]]:
        """Take the refused entries out of a batch; what is said to them."""
        kept, refused = [], []
        for entry in call.parameters.get("Entries", []):
            refusal = self.entry(call)
            if refusal is None:
                kept.append(entry)
            else:
                fault = {"Code": refusal.code, "Message": refusal.message}
                refused.append({"Id": entry["Id"], "SenderFault": False, **fault})
        if refused:
            call.parameters["Entries"] = kept
        return refused


def _completed(answer: bytes, refused: list[dict[str, Any]]) -> bytes:
    """The answer to a batch of which some were not passed on."""
    if not refused:
        return answer
    taken = json.loads(answer).get("Successful", [])
    return json.dumps({"Successful": taken, "Failed": refused}).encode()


#: For how long a message can be hidden in all, counted from its receipt.
VISIBILITY_MAX_S = 43_200


class Receipts:
    """Refuses to hide a message for longer than AWS does.

    :ivar received_at_s: when a receipt was given out, by the monotonic clock.
    """

    def __init__(self) -> None:
        self.received_at_s: dict[str, float] = {}

    def note(self, call: Call, answer: bytes) -> None:
        """Note the receipts that an answer brings."""
        if call.name == "ReceiveMessage":
            for message in json.loads(answer).get("Messages", []):
                self.received_at_s[message["ReceiptHandle"]] = time.monotonic()

    def refusal(self, call: Call) -> Refusal | None:
        """What is said to a call about one message."""
        if call.name == "ChangeMessageVisibility" and self._too_long(call.parameters):
            return Refusal(400, "InvalidParameterValue", self._text(call.parameters))
        return None

    def sift(self, call: Call) -> list[dict[str, Any]]:
        """Take what is refused out of a call about several; what is said to it."""
        if call.name != "ChangeMessageVisibilityBatch":
            return []
        entries = call.parameters["Entries"]
        call.parameters["Entries"] = [it for it in entries if not self._too_long(it)]
        return [
            {
                "Id": entry["Id"],
                "SenderFault": True,
                "Code": "InvalidParameterValue",
                "Message": self._text(entry),
            }
            for entry in entries
            if self._too_long(entry)
        ]

    def _too_long(self, entry: dict[str, Any]) -> bool:
        now_s = time.monotonic()
        held_s = now_s - self.received_at_s.get(entry["ReceiptHandle"], now_s)
        return bool(held_s + entry["VisibilityTimeout"] > VISIBILITY_MAX_S)

    @staticmethod
    def _text(entry: dict[str, Any]) -> str:
        return (
            f"Value {entry['VisibilityTimeout']} for parameter VisibilityTimeout is "
            "invalid. Reason: Total VisibilityTimeout for the message is beyond the "
            f"limit [{VISIBILITY_MAX_S} seconds]."
        )


class Proxy:
    """Passes HTTP on to a server.

    :param upstream: URL of the server.
    :param certificate: file with the key and certificate that it serves with; None for
        HTTP without TLS.
    :ivar made: the calls that were made, in their order.
    :ivar down: whether connections are dropped in place of being served.
    :ivar watch: looks at each call.
    :ivar receipts: for how long what was received can be hidden.
    :ivar connections: those that are open.
    """

    def __init__(self, upstream: str, certificate: Path | None = None) -> None:
        self.made: list[Call] = []
        self.connections: set[socket.socket] = set()
        self.down = False
        self.watch = Watch()
        self.receipts = Receipts()
        handler = partial(_Handler, self, urlsplit(upstream).netloc)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._scheme = "http" if certificate is None else "https"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    @property
    def calls(self) -> list[str]:
        """The names of the calls that were made."""
        return [call.name for call in self.made]

    def count(self, call: str) -> int:
        """How often an SQS call was made."""
        return self.calls.count(call)

    def refuse(self, code: str, status: int = 400, *, only: str = "") -> None:
        """Refuse calls from now on.

        :param code: the error's code.
        :param only: name of the one call to refuse; empty for all.
        """
        refusal = Refusal(status, code)
        self.watch.before = lambda call: (
            refusal if call.name == (only or call.name) else None
        )

    def close_connections(self) -> None:
        """Close those that are open, as a server does that they are idle for."""
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def running(self) -> Iterator[Proxy]:
        """Serve until the end of the context."""
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, proxy: Proxy, host: str, *args: Any) -> None:
        self._proxy = proxy
        self._host = host
        super().__init__(*args)

    def setup(self) -> None:
        super().setup()
        self._proxy.connections.add(self.connection)

    def finish(self) -> None:
        self._proxy.connections.discard(self.connection)
        super().finish()

    def do_POST(self) -> None:
        proxy = self._proxy
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        call = self._call(body)
        proxy.made.append(call)
        if proxy.down:
            self._hang_up()
            return
        refusal = proxy.watch.before(call) or proxy.receipts.refusal(call)
        if refusal is not None:
            self._answer(refusal.status, [], refusal.content)
            return
        refused = proxy.receipts.sift(call) + proxy.watch.sift(call)
        if refused and not call.parameters["Entries"]:
            # The server would complain about an empty batch.
            self._answer(200, [], _completed(b"{}", refused))
            return
        if refused:
            body = json.dumps(call.parameters).encode()
        try:
            answer, content = self._pass_on(body)
        except (OSError, http.client.HTTPException):
            # The server is away: as good as if there were no proxy.
            self._hang_up()
            return
        content = _completed(content, refused)
        proxy.receipts.note(call, content)
        proxy.watch.after(call)
        if proxy.watch.loses(call):
            self._hang_up()
            return
        self._answer(answer.status, answer.getheaders(), content)

    def _call(self, body: bytes) -> Call:
        credential = self.headers.get("Authorization", "").partition("Credential=")[2]
        return Call(
            self.headers.get("X-Amz-Target", "").rpartition(".")[2],
            json.loads(body or b"{}"),
            credential.partition("/")[0],
            "amz-sdk-request" in self.headers,
        )

    def _pass_on(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        headers = {**self.headers, "Content-Length": str(len(body))}
        with closing(http.client.HTTPConnection(self._host, timeout=60)) as upstream:
            upstream.request(self.command, self.path, body, headers)
            answer = upstream.getresponse()
            return answer, answer.read()

    def _answer(
        self, status: int, headers: list[tuple[str, str]], content: bytes
    ) -> None:
        # Who asked may have given up meanwhile.
        with suppress(ConnectionError):
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in ("transfer-encoding", "content-length"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def _hang_up(self) -> None:
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass
