"""Connections besides Tryton's transactions, and the meaning of database errors."""

from __future__ import annotations
