"""What runs tasks: processes, and the threads in each.

``supervisor`` owns processes and signals. In each process ``process`` puts together
*pollers*, which ask one receiver each for messages, the *intake*, which claims them,
the *runner threads*, which take one message at a time through one transaction, and the
*lease keeper*, which gives signs of life.
"""

from __future__ import annotations
