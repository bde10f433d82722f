"""What a deferred call and its outcome are, and how they are written and signed."""

from __future__ import annotations
