"""Sends what was committed but not sent: its process died, or the service was down."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any

from .. import side
from ..attributes import check as check_attributes
from ..brokers.base import Parcel
from ..errors import ConfigurationError, MessageError, TransportError
from ..rows import TaskRows, UnsentRow
from ..runtime import Runtime

logger = logging.getLogger(__name__)

_PAUSE_S = 5.0
#: Rows younger than this are being sent by their own process.
_PATIENCE_S = 10.0
_ROWS_A_ROUND = 100


class Relay(threading.Thread):
    """Looks for unsent rows every few seconds, in one thread a process.

    Of all relays of a database one looks at a time. Should two send the same row
    after all, the second delivery has no effect.
    """

    def __init__(self, runtime: Runtime, rows: TaskRows) -> None:
        super().__init__(name="relay", daemon=True)
        self._runtime = runtime
        self._rows = rows
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End the thread after the round it is in."""
        self._stopping.set()

    def run(self) -> None:
        """Go round until stopped."""
        while not self._stopping.is_set():
            try:
                with side.alone(self._runtime.database, "relay") as alone:
                    if alone:
                        self._go_round()
            except TransportError as error:
                logger.warning("relay: %s; the rows wait", error)
            except BaseException:
                # Without a relay nothing that was left over is ever sent.
                logger.exception("the relay failed, and goes on; the rows wait")
            self._stopping.wait(_PAUSE_S)

    def _go_round(self) -> None:
        while self.send_round(_PATIENCE_S) == _ROWS_A_ROUND:
            if self._stopping.is_set():
                return
        self._rows.end_leases()
        self.resend_round(self._runtime.settings.resend_after)

    def send_round(self, patience_s: float) -> int:
        """Send rows that have been unsent for that long; returns how many."""
        horizon_s = self._runtime.broker.max_delay_s or 0
        unsent = self._rows.unsent(_ROWS_A_ROUND, patience_s, horizon_s)
        if unsent:
            self._rows.mark_sent(self._send(unsent))
        return len(unsent)

    def resend_round(self, age_s: float) -> int:
        """Send again what was sent that long ago and has not finished."""
        forgotten = self._rows.forgotten(_ROWS_A_ROUND, age_s)
        if forgotten:
            self._rows.mark_sent_again(self._send(forgotten))
        return len(forgotten)

    def _send(self, unsent: Sequence[UnsentRow]) -> list[str]:
        """Send rows; returns the ids of those that were confirmed."""
        parcels = [
            Parcel(
                row.id,
                row.queue,
                row.text,
                delay_s=row.due_in_s,
                attributes=self._attributes(row),
            )
            for row in unsent
        ]
        confirmed = self._runtime.broker.send(parcels)
        logger.info("relay: %d of %d task(s) sent", len(confirmed), len(unsent))
        return confirmed

    def _attributes(self, row: UnsentRow) -> dict[str, Any] | None:
        try:
            attributes = self._runtime.codec.decode(row.text).sqs_attributes
            if attributes is not None:
                # An earlier release did not look at them when they were given.
                check_attributes(attributes)
            return attributes
        except (MessageError, ConfigurationError) as error:
            # Sent as it is: the worker puts aside what cannot be read.
            logger.error("relay: row of task %s: %s", row.id, error)
            return None
