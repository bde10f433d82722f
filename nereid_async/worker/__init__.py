"""Workers: a supervisor, its processes, and the threads that run tasks in them.

``supervisor`` starts processes and handles signals. In each process ``process`` builds
the *pollers*, which receive messages from one receiver each, the *intake*, which claims
them, the *runner threads*, which run one task at a time in one transaction each, and
the *lease keeper*, which sends heartbeats for all tasks in flight.
"""

from __future__ import annotations
