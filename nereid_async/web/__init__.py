"""What the extension adds to a Nereid app: the endpoint, its script, the asker."""

from __future__ import annotations
