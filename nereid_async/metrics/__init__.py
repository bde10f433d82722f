"""Metrics for Prometheus: what is counted, and what is read at a scrape.

Needs the extra ``metrics`` (prometheus-client), which is imported when something is
measured or served only.
"""

from __future__ import annotations

from .recording import measure as measure
