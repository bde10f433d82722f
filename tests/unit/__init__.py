"""Unit tests: no network, no database, no waiting."""
