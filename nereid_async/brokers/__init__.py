"""What carries messages: one module a broker."""

from __future__ import annotations
