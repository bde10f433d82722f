"""Tryton's configuration: in 7.0 an object of its module, since 7.4 the module."""

from __future__ import annotations

from typing import Any

import trytond.config

config: Any = vars(trytond.config).get("config", trytond.config)
