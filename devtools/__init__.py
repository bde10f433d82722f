"""What tests and benchmarks share, and what makes pages; not installed.

Processes, servers and databases to work on, a proxy that lets SQS fail, and apps,
browsers and workers in the process that uses them.
"""

from __future__ import annotations
