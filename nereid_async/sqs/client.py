"""The client of Amazon SQS: calls boto3, or SQS directly, and maps the errors."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)
from botocore.loaders import Loader, create_loader

from .. import signals
from .._version import __version__
from ..errors import (
    AccessDenied,
    ConfigurationError,
    CredentialsRefused,
    LeaseLost,
    QueueMissing,
    QueueUnavailable,
    RequestRefused,
    TransportError,
    TransportUnavailable,
)
from ..limits import SQS_LIST_MAX_QUEUES
from ..settings import Settings
from ..settings.urls import without_login
from .direct_calls import DirectCalls

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

_CONNECT_TIMEOUT_S = 2.0
#: In place of a process id: the client has no open connections.
_NOBODY = -1

_MISSING = {"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"}
_DENIED = {"AccessDenied", "AccessDeniedException"}
#: The queue is encrypted, and its key cannot be used.
_KEY_DENIED = {
    "KmsAccessDenied",
    "KmsDisabled",
    "KmsInvalidKeyUsage",
    "KmsInvalidState",
    "KmsNotFound",
    "KmsOptInRequired",
}
_CREDENTIALS = {
    "AuthFailure",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_LOST = {
    "InvalidReceiptHandle",
    "MessageNotInflight",
    "AWS.SimpleQueueService.MessageNotInflight",
    "ReceiptHandleIsInvalid",
}
_EXISTING = {"QueueAlreadyExists", "QueueNameExists"}
_STALE_CREDENTIALS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
# An expired token is temporary: boto3's chain of credentials fetches a new one.
_PASSING = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InternalError",
    "InternalFailure",
    "RequestExpired",
    "RequestThrottled",
    "RequestTimeout",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
#: Temporary errors of one queue.
_QUEUE_PASSING = {
    "AWS.SimpleQueueService.QueueDeletedRecently",
    "KmsThrottled",
    "OverLimit",
    "QueueDeletedRecently",
}


def whole_seconds(seconds: float, longest: int) -> int:
    """A delay in whole seconds, rounded up, so that no message comes early.

    :param longest: limit, in seconds.
    """
    # First to milliseconds: a computed delay may be a millionth above a whole second.
    return max(0, min(math.ceil(round(seconds, 3)), longest))


class Sqs:
    """A boto3 client, made at the first call and again after a fork. Thread-safe.

    :param timeout_s: read timeout of one attempt of a call, in seconds.
    :param attempts: attempts of a call that boto3 makes. If there are several, a
        frequent call is tried once before them, without boto3.
    """

    def __init__(self, settings: Settings, timeout_s: float, attempts: int) -> None:
        self._settings = settings
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._lock = threading.Lock()
        self._pid = 0
        self._client: _Client | None = None
        self._urls: dict[str, str] = {}
        self._may_tag = True

    def close(self) -> None:
        """Close all connections, so that processes can share the client after a fork.

        Not to be called while another thread makes a call.
        """
        if self._client is not None and self._pid == os.getpid():
            self._client.close()
            self._pid = _NOBODY

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Make one call, such as ``call("send_message", QueueUrl=…)``.

        :raises TransportUnavailable: a temporary failure.
        :raises AccessDenied: the credentials do not allow the call.
        :raises CredentialsRefused: there are no credentials, or SQS refuses them.
        :raises QueueMissing: the queue does not exist.
        :raises LeaseLost: the receipt handle is not valid any more.
        :raises RequestRefused: SQS refuses the call for another reason.
        :raises ConfigurationError: no region is set.
        """
        outcome = "Interrupted"
        try:
            answer = self._call(operation, parameters)
            outcome = "ok"
            return answer
        except (TransportError, ConfigurationError) as error:
            outcome = type(error).__name__
            raise
        finally:
            signals.emit(
                signals.sqs_called, "sqs", operation=operation, outcome=outcome
            )

    def _call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        try:
            client = self._own_client()
        except BotoCoreError as error:
            raise _from_botocore_error(operation, error) from error
        if operation in client.direct:
            try:
                return self._mapped(client.direct.call, operation, parameters)
            except TransportUnavailable:
                if self._attempts == 1:
                    raise
                # boto3 tries again, with the pauses that are usual.
        return self._mapped(client.call, operation, parameters)

    def _mapped(
        self,
        call: Callable[[str, dict[str, Any]], dict[str, Any]],
        operation: str,
        parameters: dict[str, Any],
    ) -> dict[str, Any]:
        try:
            return call(operation, parameters)
        except ClientError as error:
            if _code(error) in _STALE_CREDENTIALS:
                # The next call reads the credentials again; they may be renewed.
                self._client = None
            raise _from_client_error(operation, error) from error
        except BotoCoreError as error:
            raise _from_botocore_error(operation, error) from error

    def url(self, name: str, owner: str = "") -> str:
        """The URL of a queue; cached.

        :param name: full name of the queue.
        :param owner: AWS account of the queue; empty for that of the credentials.
        :raises QueueMissing: the queue does not exist.
        :raises TransportError: as :meth:`call`.
        """
        if name not in self._urls:
            extra = {"QueueOwnerAWSAccountId": owner} if owner else {}
            answer = self.call("get_queue_url", QueueName=name, **extra)
            self._urls[name] = answer["QueueUrl"]
        return self._urls[name]

    def create(
        self, name: str, attributes: Mapping[str, str], tags: Mapping[str, str]
    ) -> str:
        """Create a queue, unless it exists, and return its URL.

        Without tags if the credentials do not allow to set them.

        :raises TransportError: as :meth:`call`.
        """
        try:
            answer = self._create(name, attributes, tags if self._may_tag else {})
        except TransportError as error:
            cause = error.__cause__
            if isinstance(cause, ClientError) and _code(cause) in _EXISTING:
                # It exists with other attributes.
                return self.url(name)
            raise
        self._urls[name] = answer["QueueUrl"]
        return self._urls[name]

    def _create(
        self, name: str, attributes: Mapping[str, str], tags: Mapping[str, str]
    ) -> dict[str, Any]:
        parameters = {"QueueName": name, "Attributes": dict(attributes)}
        if not tags:
            return self.call("create_queue", **parameters)
        try:
            return self.call("create_queue", tags=dict(tags), **parameters)
        except (AccessDenied, RequestRefused) as error:
            if error.of_service:
                raise
            answer = self.call("create_queue", **parameters)
            # Without tags it worked: they are not allowed.
            self._may_tag = False
            return answer

    def queue_urls(self, prefix: str) -> Iterator[str]:
        """URLs of the queues of this account whose names begin with a prefix.

        :raises TransportError: as :meth:`call`.
        """
        # SQS returns pages only to those who ask for them.
        parameters = {"QueueNamePrefix": prefix, "MaxResults": SQS_LIST_MAX_QUEUES}
        while True:
            page = self.call("list_queues", **parameters)
            yield from page.get("QueueUrls", [])
            if not page.get("NextToken"):
                return
            parameters["NextToken"] = page["NextToken"]

    def forget_url(self, name: str) -> None:
        """Remove a queue's URL from the cache."""
        self._urls.pop(name, None)

    def _own_client(self) -> _Client:
        client = self._client
        if client is None or self._pid != os.getpid():
            with self._lock:
                # Connections must not be shared by a fork.
                if self._client is None or self._pid not in (os.getpid(), _NOBODY):
                    self._client = self._new_client()
                self._pid = os.getpid()
                client = self._client
        return client

    def _new_client(self) -> _Client:
        settings = self._settings
        connect_timeout_s = min(_CONNECT_TIMEOUT_S, self._timeout_s)
        config = Config(
            connect_timeout=connect_timeout_s,
            read_timeout=self._timeout_s,
            retries={"mode": "standard", "total_max_attempts": self._attempts},
            # Further connections are closed after each call: a poller uses one per
            # queue.
            max_pool_connections=128,
            # Parameters are valid, or were checked before. Saves a fifteenth of the
            # processor time of a call.
            parameter_validation=False,
            # boto3 builds its default for each call, which takes a sixth of the
            # processor time of a call.
            user_agent=f"Boto3/{boto3.__version__} nereid_async/{__version__}",
        )
        client = _session().client(
            "sqs",
            region_name=settings.sqs_region or None,
            # boto3 does not send a login in the URL, but its errors would show it.
            endpoint_url=without_login(settings.sqs_endpoint_url) or None,
            aws_access_key_id=settings.sqs_access_key or None,
            aws_secret_access_key=settings.sqs_secret_key or None,
            config=config,
        )
        return _Client(client, DirectCalls(client, connect_timeout_s, self._timeout_s))


class _Client(NamedTuple):
    boto3: SQSClient
    direct: DirectCalls

    def call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(self.boto3, operation)(**parameters)
        return answer

    def close(self) -> None:
        self.direct.close()
        self.boto3.close()


def _session() -> boto3.session.Session:
    """A session with its own chain of credentials, and shared service descriptions."""
    session = botocore.session.Session()
    session.register_component("data_loader", _descriptions())
    return boto3.session.Session(botocore_session=session)


@cache
def _descriptions() -> Loader:
    """Loader of boto3's service descriptions: megabytes of JSON, read before a fork."""
    return create_loader(botocore.session.Session().get_config_variable("data_path"))


def _code(error: ClientError) -> str:
    # SQS's two protocols give an error's code with and without a prefix.
    code: str = error.response.get("Error", {}).get("Code", "")
    return code.rpartition("#")[2]


def _from_client_error(operation: str, error: ClientError) -> TransportError:
    details = error.response.get("Error", {})
    short = _code(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    # Most are sentences; what is to be done follows as another one.
    message = details.get("Message", "").rstrip(".")
    text = f"SQS {operation}: {short}: {message}"
    if short in _MISSING:
        return QueueMissing(text)
    if short in _DENIED:
        return AccessDenied(f"{text}. Check the credentials and their policy")
    if short in _KEY_DENIED:
        return AccessDenied(f"{text}. Check the queue's encryption key and its policy")
    if short in _CREDENTIALS:
        return CredentialsRefused(
            f"{text}. Check sqs_access_key and sqs_secret_key, or boto3's own "
            "credentials, and this machine's clock"
        )
    if short in _LOST or "receipt handle" in text.lower():
        return LeaseLost(text)
    if short in _QUEUE_PASSING:
        return QueueUnavailable(text)
    if short in _PASSING or status >= 500 or status == 429:
        return TransportUnavailable(text)
    return RequestRefused(text)


def _from_botocore_error(
    operation: str, error: BotoCoreError
) -> TransportError | ConfigurationError:
    text = f"SQS {operation}: {str(error).removesuffix('.')}"
    if isinstance(error, NoRegionError):
        return ConfigurationError(f"{text}. Set sqs_region, or AWS_DEFAULT_REGION")
    if isinstance(
        error, (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError)
    ):
        return CredentialsRefused(
            f"{text}. Set sqs_access_key and sqs_secret_key, or let boto3 find some: "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role"
        )
    if isinstance(error, (EndpointConnectionError, ConnectTimeoutError)):
        text += ". Check the network, sqs_region and sqs_endpoint_url"
    return TransportUnavailable(text)
