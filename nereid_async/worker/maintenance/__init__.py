"""Maintenance, in one process of a worker: relay, resending and reaper."""

from __future__ import annotations
