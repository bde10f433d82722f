"""Connections beside Tryton's transactions, and what a database's errors mean."""

from __future__ import annotations
