"""A page that counts the models of a Tryton module."""

from __future__ import annotations

from typing import Any

from nereid import redirect, render_template, request, route, url_for
from trytond.pool import Pool, PoolMeta
from werkzeug.wrappers import Response

from nereid_async import async_task, current_task


class WebSite(metaclass=PoolMeta):
    __name__ = "nereid.website"

    @classmethod
    @route("/")
    def home(cls) -> Any:
        return render_template("home.jinja", result=request.args.get("result"))

    @classmethod
    @route("/", methods=["POST"])
    def ask(cls) -> Response:
        result = cls.count_models.defer(request.form.get("module", "ir"))
        return redirect(url_for("nereid.website.home", result=result.id))

    @classmethod
    @async_task(ignore_result=False)
    def count_models(cls, module: str) -> dict[str, Any]:
        """Count the models of a module of Tryton; a worker runs this."""
        found = Pool().get("ir.model").search([("module", "=", module)])
        for done, _ in enumerate(found, 1):
            current_task.progress(done=done, total=len(found))
        page = url_for("nereid.website.home", _external=True)
        return {"models": len(found), "page": page}
