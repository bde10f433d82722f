"""Limits, each once, with its unit and where it comes from.

``SQS_*`` are quotas of Amazon SQS: its Developer Guide, "Amazon SQS quotas", and its
API reference, as of November 2025. Limits that only one file needs stand in that file.
"""

from __future__ import annotations

#: Entries of a batch call, and messages of a receive.
SQS_BATCH_MAX_ENTRIES = 10
#: A message with its attributes, and all messages of a batch together: 1 MiB.
SQS_MESSAGE_MAX_BYTES = 1_048_576
#: ``DelaySeconds``: 15 minutes.
SQS_DELAY_MAX_S = 900
#: ``WaitTimeSeconds`` of a receive.
SQS_LONG_POLL_MAX_S = 20
#: Visibility timeout, counted from the receive, whatever extends it: 12 hours.
SQS_VISIBILITY_MAX_S = 43_200
#: ``MessageRetentionPeriod``: one minute to 14 days.
SQS_RETENTION_MIN_S, SQS_RETENTION_MAX_S = 60, 1_209_600
#: ``maxReceiveCount`` of a redrive policy.
SQS_RECEIVES_MAX = 1_000
#: Queue names, out of ``A-Za-z0-9-_``.
SQS_QUEUE_NAME_MAX_CHARS = 80
#: ``MaxResults`` of ListQueues.
SQS_LIST_MAX_QUEUES = 1_000
#: Message attributes of one message, and the length of a name and of a type.
SQS_ATTRIBUTES_MAX = 10
SQS_ATTRIBUTE_NAME_MAX_CHARS = 256
SQS_ATTRIBUTE_TYPE_MAX_CHARS = 256

#: A call in its row, and a result there: 64 MiB. Ours: each is held in memory, more
#: than once, by who defers it and who runs it.
MESSAGE_MAX_BYTES = 67_108_864
#: What of a message on SQS is left to its attributes, beside a pointer or a reason.
SQS_ATTRIBUTES_MAX_BYTES = SQS_MESSAGE_MAX_BYTES - 8_192
#: Attempts of a task. Ours: far beyond what a retry helps.
ATTEMPTS_MAX = 1_000
#: The ``max_attempts`` from which one attempt may be counted without a run: a worker
#: was killed between claim and start, or a message without a row was handed back.
ATTEMPTS_TO_SPARE = 3
#: Time limit of an attempt. Ours: a year is as good as none.
TIME_LIMIT_MAX_S = 365 * 86_400
#: Delay of a second attempt, and of any further one, by the worker itself. Ours: who
#: wants it longer says so by ``Retry``.
RETRY_DELAY_MAX_S = 3_600
#: Delay of a task: ten years. Ours: a timestamp of the databases ends far beyond it.
DELAY_MAX_S = 10 * 365 * 86_400
#: Priority of a task: from 0, which runs first, to the last one.
PRIORITY_LAST = 9
PRIORITY_DEFAULT = 5
