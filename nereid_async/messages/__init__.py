"""Messages and outcomes: their records, serialisation, signing and encryption."""

from __future__ import annotations
