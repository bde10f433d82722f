"""What runs tasks: processes, and the threads in each.

``supervisor`` owns processes and signals. In each process ``process`` puts together a
*poller*, which receives and claims, *runners*, each of which takes one message at a
time through one transaction, and the *lease keeper*, which gives signs of life.
"""

from __future__ import annotations
