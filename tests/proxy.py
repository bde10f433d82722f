"""A proxy before an SQS server: notes the calls, refuses some, can be switched off."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Call:
    """One call on its way to the server.

    :ivar name: such as ``SendMessageBatch``.
    :ivar parameters: what boto3 was given, such as ``QueueUrl``.
    :ivar access_key: whose credentials signed it.
    """

    name: str
    parameters: dict[str, Any]
    access_key: str

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


@dataclass
class Watch:
    """What is done about calls.

    :ivar before: called before a call is passed on; may refuse it.
    :ivar after: called when the server has answered, before the caller hears of it.
    """

    before: Callable[[Call], Refusal | None] = field(default=lambda call: None)
    after: Callable[[Call], object] = field(default=lambda call: None)


class Proxy:
    """Passes HTTP on to a server.

    :param upstream: URL of the server.
    :ivar made: the calls that were made, in their order.
    :ivar down: whether connections are dropped in place of being served.
    :ivar watch: looks at each call.
    """

    def __init__(self, upstream: str) -> None:
        self.made: list[Call] = []
        self.down = False
        self.watch = Watch()
        proxy, host = self, urlsplit(upstream).netloc

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                call = self._call(body)
                proxy.made.append(call)
                if proxy.down:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                refusal = proxy.watch.before(call)
                if refusal is not None:
                    self._answer(refusal.status, [], refusal.content)
                    return
                connection = http.client.HTTPConnection(host, timeout=60)
                connection.request(self.command, self.path, body, dict(self.headers))
                answer = connection.getresponse()
                content = answer.read()
                connection.close()
                proxy.watch.after(call)
                self._answer(answer.status, answer.getheaders(), content)

            def _call(self, body: bytes) -> Call:
                credential = self.headers.get("Authorization", "").partition(
                    "Credential="
                )[2]
                return Call(
                    self.headers.get("X-Amz-Target", "").rpartition(".")[2],
                    json.loads(body or b"{}"),
                    credential.partition("/")[0],
                )

            def _answer(
                self, status: int, headers: list[tuple[str, str]], content: bytes
            ) -> None:
                self.send_response(status)
                for name, value in headers:
                    if name.lower() not in ("transfer-encoding", "content-length"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

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
