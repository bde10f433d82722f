"""The commands: ``flask --app APP async …``, and ``nereid-async …`` without Flask.

Modules that import trytond are imported inside the functions: trytond chooses its
database backend at import, and the configuration of ``-c`` must be read before.
"""

from __future__ import annotations

from . import (
    actions,
    batches,
    check,
    dead,
    maintenance,
    queues,
    shop,
    status,
    tasks,
    worker,
    workers,
)
from .groups import flask_group, main

__all__ = [
    "actions",
    "batches",
    "check",
    "dead",
    "flask_group",
    "main",
    "maintenance",
    "queues",
    "shop",
    "status",
    "tasks",
    "worker",
    "workers",
]
