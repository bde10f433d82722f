"""What is the longest, of things that several rooms speak of."""

from __future__ import annotations

#: Ten years; a timestamp of the databases ends far beyond it.
MAX_DELAY_S = 10 * 365 * 86_400

#: What SQS can delay a message for.
QUEUE_DELAY_MAX_S = 900
