"""What one process of a worker does besides: sends what waits, removes what is old."""

from __future__ import annotations
