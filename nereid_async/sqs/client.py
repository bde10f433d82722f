"""Amazon SQS through boto3: the one place that calls it and translates its errors."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)
from botocore.loaders import Loader, create_loader

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
from ..settings import Settings
from ..settings.urls import without_login

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

_CONNECT_TIMEOUT_S = 2.0
#: In place of a process: the client has no connections.
_NOBODY = -1

_MISSING = {"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"}
_DENIED = {"AccessDenied", "AccessDeniedException"}
#: The queue is encrypted, and its key is not to be used.
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
# An expired token is passing: boto3's chain of credentials fetches a new one.
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
#: The same, of one queue.
_QUEUE_PASSING = {
    "AWS.SimpleQueueService.QueueDeletedRecently",
    "KmsThrottled",
    "OverLimit",
    "QueueDeletedRecently",
}


def whole_seconds(seconds: float, longest: int) -> int:
    """A delay as SQS takes it: rounded up, so that nothing comes before its time.

    :param longest: what it is cut to.
    """
    # A difference of two times may be a millionth above the delay it was made from.
    return max(0, min(math.ceil(round(seconds, 3)), longest))


class Sqs:
    """A boto3 client, made at the first call and again after a fork. Thread-safe.

    :param timeout_s: how long one call may take to answer, in seconds.
    :param attempts: how often a call is tried in all, by boto3.
    """

    def __init__(self, settings: Settings, timeout_s: float, attempts: int) -> None:
        self._settings = settings
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._lock = threading.Lock()
        self._pid = 0
        self._client: SQSClient | None = None
        self._urls: dict[str, str] = {}
        self._may_tag = True

    def close(self) -> None:
        """Close all connections: after a fork each process goes on with the client.

        Not while another thread makes a call.
        """
        if self._client is not None and self._pid == os.getpid():
            self._client.close()
            self._pid = _NOBODY

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Make one call, such as ``call("send_message", QueueUrl=…)``.

        :raises TransportUnavailable: a passing failure.
        :raises AccessDenied: the credentials do not allow it.
        :raises CredentialsRefused: there are none, or none that SQS knows.
        :raises QueueMissing: the queue does not exist.
        :raises LeaseLost: the receipt is not valid any more.
        :raises RequestRefused: anything else that SQS does not take.
        """
        try:
            answer: dict[str, Any] = getattr(self._own_client(), operation)(
                **parameters
            )
            return answer
        except ClientError as error:
            if _code(error) in _STALE_CREDENTIALS:
                # The next call reads them anew: somebody may have renewed them.
                self._client = None
            raise _from_client_error(operation, error) from error
        except BotoCoreError as error:
            raise _from_botocore_error(operation, error) from error

    def url(self, name: str, owner: str = "") -> str:
        """The URL of a queue, asked for once.

        :param owner: AWS account it belongs to; empty for that of the credentials.
        :raises QueueMissing: the queue does not exist.
        """
        if name not in self._urls:
            extra = {"QueueOwnerAWSAccountId": owner} if owner else {}
            answer = self.call("get_queue_url", QueueName=name, **extra)
            self._urls[name] = answer["QueueUrl"]
        return self._urls[name]

    def create(
        self, name: str, attributes: Mapping[str, str], tags: Mapping[str, str]
    ) -> str:
        """Create a queue, or find it as it is; returns its URL.

        Without its tags where it is not allowed to give it some.
        """
        try:
            answer = self._create(name, attributes, tags if self._may_tag else {})
        except TransportError as error:
            cause = error.__cause__
            if isinstance(cause, ClientError) and _code(cause) in _EXISTING:
                # Somebody made it meanwhile, with attributes of its own.
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
            # So it was the tags.
            self._may_tag = False
            return answer

    def forget_url(self, name: str) -> None:
        """Ask for the queue's URL again next time."""
        self._urls.pop(name, None)

    def _own_client(self) -> SQSClient:
        client = self._client
        if client is None or self._pid != os.getpid():
            with self._lock:
                # Connections do not survive a fork.
                if self._client is None or self._pid not in (os.getpid(), _NOBODY):
                    self._client = self._new_client()
                self._pid = os.getpid()
                client = self._client
        return client

    def _new_client(self) -> SQSClient:
        settings = self._settings
        config = Config(
            connect_timeout=min(_CONNECT_TIMEOUT_S, self._timeout_s),
            read_timeout=self._timeout_s,
            retries={"mode": "standard", "total_max_attempts": self._attempts},
            # Beyond it they are closed after each call: one a queue, and some more.
            max_pool_connections=128,
            # What we give is right, or was checked when it was asked for: this saves
            # a fifteenth of what a call costs here.
            parameter_validation=False,
            # What boto3 says by default it puts together anew for each call, which
            # is a sixth of what a call costs here.
            user_agent=f"Boto3/{boto3.__version__} nereid_async/{__version__}",
        )
        return _session().client(
            "sqs",
            region_name=settings.sqs_region or None,
            # boto3 would not send a login, and its errors would tell it.
            endpoint_url=without_login(settings.sqs_endpoint_url) or None,
            aws_access_key_id=settings.sqs_access_key or None,
            aws_secret_access_key=settings.sqs_secret_key or None,
            config=config,
        )


def _session() -> boto3.session.Session:
    """A session that finds credentials anew, but shares what describes the service."""
    session = botocore.session.Session()
    session.register_component("data_loader", _descriptions())
    return boto3.session.Session(botocore_session=session)


@cache
def _descriptions() -> Loader:
    """Megabytes of JSON, read once, and before a worker forks."""
    return create_loader(botocore.session.Session().get_config_variable("data_path"))


def _code(error: ClientError) -> str:
    # Both of SQS's protocols name an error, with and without a prefix.
    code: str = error.response.get("Error", {}).get("Code", "")
    return code.rpartition("#")[2]


def _from_client_error(operation: str, error: ClientError) -> TransportError:
    details = error.response.get("Error", {})
    short = _code(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    text = f"SQS {operation}: {short}: {details.get('Message', '')}"
    if short in _MISSING:
        return QueueMissing(text)
    if short in _DENIED:
        return AccessDenied(f"{text}. Check the credentials and their policy")
    if short in _KEY_DENIED:
        return AccessDenied(f"{text}. Check the queue's encryption key and its policy")
    if short in _CREDENTIALS:
        return CredentialsRefused(f"{text}. Check the credentials")
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
    text = f"SQS {operation}: {error}"
    if isinstance(error, NoRegionError):
        return ConfigurationError(f"{text}. Set sqs_region, or AWS_DEFAULT_REGION")
    if isinstance(
        error, (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError)
    ):
        return CredentialsRefused(
            f"{text}. Set sqs_access_key and sqs_secret_key, or give boto3 its own"
        )
    return TransportUnavailable(text)
