"""The web side of the extension: the endpoint of results, its script, the caller."""

from __future__ import annotations
