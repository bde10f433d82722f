"""Brokers, which carry messages; one module per broker."""

from __future__ import annotations
