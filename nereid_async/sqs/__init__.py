"""Amazon SQS: the client, the names of queues, and the task queues."""

from __future__ import annotations
