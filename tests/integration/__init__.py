"""Real Tryton, real Nereid, real queues; the worker runs in this process."""
