"""The web app, which Flask's commands find in the folder where they are called."""

from __future__ import annotations

from nereid_async.shop import create_app

app = create_app("tryton", "data")
