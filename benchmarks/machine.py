"""Where a run was made, and of which versions."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

_PACKAGES = (
    "trytond",
    "boto3",
    "celery",
    "kombu",
    "dramatiq",
    "dramatiq-sqs",
    "procrastinate",
    "ministack",
    "psycopg2-binary",
)


def machine() -> list[str]:
    """Lines that tell."""
    versions = ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    return [
        f"{os.cpu_count()} cores shared by everything, {platform.machine()}, "
        f"Linux {platform.release()}, Python {platform.python_version()}",
        "PostgreSQL on the same machine, fsync and synchronous_commit on",
        "ministack in place of Amazon SQS, its long poll looking every 2 ms",
        versions,
    ]


def _version(name: str) -> str:
    try:
        return version(name)
    except ImportError:
        return "?"
