"""The example of a Nereid shop does what its README says."""

from __future__ import annotations

from tests.acceptance.conftest import Start
from tests.acceptance.examples import count_models
from tests.acceptance.test_readme_samples import SAMPLES as README
from tests.marks import in_another_process


@in_another_process
def test_nereid(example: Start) -> None:
    app = example("nereid")
    assert app.blocks["install"] == README["install"]
    app.run(app.blocks["install the module"])
    app.run(app.blocks["set up"])
    count_models(app)
