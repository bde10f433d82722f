"""Put work off from Nereid views and Tryton code."""

from __future__ import annotations
