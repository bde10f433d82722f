"""A web app for the commands: configured by the environment, as a shop's is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def create_app() -> Any:
    """Make the app of the database that ``TEST_DATABASE`` names."""
    from trytond.pool import Pool

    from devtools.apps import bare_app
    from nereid_async import NereidAsync

    database = os.environ["TEST_DATABASE"]
    Pool(database).init()
    app = bare_app(database, Path(os.environ["TEST_FOLDER"]))
    NereidAsync(app)
    app.initialise()
    return app
