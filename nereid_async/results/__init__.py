"""Result stores; one module per store."""

from __future__ import annotations
