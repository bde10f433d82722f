"""Times as administrators read them."""

# trytond has no types.
# mypy: allow-subclassing-any

from __future__ import annotations

from trytond.model import fields


class Timestamp(fields.Timestamp):
    """A timestamp that clients show to the second, in the user's time zone.

    Not for forms: there the clients take what they show for a change of the value.
    """

    format = "%H:%M:%S"
