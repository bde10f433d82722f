"""Where replies wait: one module a place."""

from __future__ import annotations
