"""Tools for developing nereid_async; they are not installed with it."""

from __future__ import annotations
