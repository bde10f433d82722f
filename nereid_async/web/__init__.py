"""What the extension adds to a Nereid app: the endpoint, its script, the caller."""

from __future__ import annotations
