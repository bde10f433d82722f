"""A page that counts the models of a Tryton database, with Flask-Tryton."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from flask import Flask, redirect, render_template, request, url_for
from flask_tryton import Tryton
from werkzeug.wrappers import Response

from nereid_async import NereidAsync, current_task

tryton = Tryton()
async_ext = NereidAsync()


@async_ext.task(ignore_result=False)
def count_models(module: str) -> dict[str, Any]:
    """Count the models of a module of Tryton; a worker runs this."""
    Model = tryton.pool.get("ir.model")
    found = Model.search([("module", "=", module)])
    for done, _ in enumerate(found, 1):
        current_task.progress(done=done, total=len(found))
    return {"models": len(found), "page": url_for("page", _external=True)}


def create_app() -> Flask:
    """Make the app; the environment has TRYTOND_CONFIG."""
    app = Flask(__name__)
    app.config.update(
        TRYTON_DATABASE=os.environ.get("TRYTON_DATABASE", "tryton"),
        SECRET_KEY=Path("secret_key").read_text().strip(),
        # Where a worker finds the tasks that are functions.
        ASYNC_IMPORTS=__name__,
    )
    tryton.init_app(app)
    async_ext.init_app(app)

    @app.get("/")
    def page() -> str:
        return render_template("page.html", result=request.args.get("result"))

    @app.post("/")
    @tryton.transaction()
    def count() -> Response:
        result = count_models.defer(request.form.get("module", "ir"))
        return redirect(url_for("page", result=result.id))

    return app
