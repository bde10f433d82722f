"""gunicorn's settings: ``gunicorn --config gunicorn.conf.py``, in the shop's folder."""

from __future__ import annotations

wsgi_app = "app:app"
bind = "127.0.0.1:8000"

# The app is loaded once and then forked, so that the processes share its memory. A
# SIGHUP does not load it again: a new release is a restart.
preload_app = True
workers = 2

# Threads, for a poll that is held takes one (ASYNC_POLL_MAX_HELD bounds them).
worker_class = "gthread"
threads = 8

# Seconds that requests may take to finish after a SIGTERM.
graceful_timeout = 30

# Nothing steers it besides signals: it writes nowhere.
control_socket_disable = True
