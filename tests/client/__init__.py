"""Tests of the browser's module, under Node."""

from __future__ import annotations
