"""How long hypothesis looks for trouble: bounded here, longer by `make fuzz`."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import HealthCheck, settings

_BOUNDED = settings(
    max_examples=200,
    # Times say nothing here: the machine may be busy.
    deadline=timedelta(seconds=20),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.register_profile("bounded", _BOUNDED)
settings.register_profile("long", _BOUNDED, max_examples=4_000)
settings.load_profile("bounded")
