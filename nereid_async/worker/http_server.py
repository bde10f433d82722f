"""The HTTP server of a worker: its health, and its metrics."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias

from ..errors import ConfigurationError
from .health_state import HealthState

logger = logging.getLogger(__name__)

#: Returns a content type and what to serve at /metrics.
Metrics: TypeAlias = Callable[[], tuple[str, bytes]]

_TEXT = "text/plain; charset=utf-8"
#: How long a client may take over its request, in seconds.
_CLIENT_TIMEOUT_S = 10
_BACKLOG = 64


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address; before the fork, so that the port is kept.

    :param port: 0 for any free one.
    :raises ConfigurationError: the address is in use, or not one of this machine.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise ConfigurationError(f"--http {host}:{port}: {error}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"--http {host}:{port}: {error.strerror or error}; choose another address"
        ) from error
    return listener


def url_of(listener: socket.socket) -> str:
    """The URL under which somebody listens."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(ThreadingHTTPServer):
    """Answers requests, each in a thread of its own.

    :param health: what ``/health/…`` tells.
    :param metrics: what ``/metrics`` serves; None if prometheus-client is missing.
    :param missing: what is to be done then.
    :param look: called some times a second.
    """

    daemon_threads = True

    def __init__(
        self,
        listener: socket.socket,
        health: HealthState,
        metrics: Metrics | None,
        missing: str,
        look: Callable[[], None],
    ) -> None:
        super().__init__(listener.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.health = health
        self.metrics = metrics
        self.missing = missing
        self._look = look

    def service_actions(self) -> None:
        """Look around."""
        self._look()

    def handle_error(self, request: object, client_address: object) -> None:
        """Log that a request failed; mostly, its client has gone."""
        logger.info("a request of %s failed", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = _CLIENT_TIMEOUT_S
    server_version, sys_version = "nereid_async", ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        answer = {
            "/health/live": self._live,
            "/health/ready": self._ready,
            "/metrics": self._metrics,
        }.get(path, self._nothing)
        self._send(*answer())

    do_HEAD = do_GET

    def _live(self) -> tuple[HTTPStatus, str, bytes]:
        if self.server.health.is_alive:
            return HTTPStatus.OK, _TEXT, b"ok\n"
        return self._ready()

    def _ready(self) -> tuple[HTTPStatus, str, bytes]:
        health = self.server.health.read()
        status = HTTPStatus.OK if health.ready else HTTPStatus.SERVICE_UNAVAILABLE
        return status, _TEXT, f"{health.text}\n".encode()

    def _metrics(self) -> tuple[HTTPStatus, str, bytes]:
        if self.server.metrics is None:
            text = f"{self.server.missing}\n".encode()
            return HTTPStatus.NOT_IMPLEMENTED, _TEXT, text
        return HTTPStatus.OK, *self.server.metrics()

    def _nothing(self) -> tuple[HTTPStatus, str, bytes]:
        return (
            HTTPStatus.NOT_FOUND,
            _TEXT,
            b"here are /health/live, /health/ready and /metrics\n",
        )

    def _send(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log requests for those who debug only."""
        logger.debug("%s " + format, self.client_address[0], *args)
