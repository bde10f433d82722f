"""The app of the page about tracing: one trace leads from a request into its task.

The exporter prints the spans; it and the instrumentation of Flask stand in for packages
that are not installed here.
"""

from __future__ import annotations

from pathlib import Path

from devtools.databases import PROJECT
from tests.acceptance.conftest import Commands
from tests.marks import once
from tests.samples import samples

(SAMPLE,) = (
    text
    for name, text in samples(PROJECT / "docs" / "how-to" / "tracing.rst").items()
    if name.startswith("from opentelemetry")
)

FILES = {
    "traced_shop.py": SAMPLE,
    "app.py": """\
import os
from nereid_async.shop import create_app

app = create_app(os.environ["TEST_DATABASE"], "data", config={"ASYNC_TRACING": "yes"})
""",
    "opentelemetry/exporter/otlp/proto/http/trace_exporter.py": """\
from functools import partial
from opentelemetry.sdk.trace.export import ConsoleSpanExporter

OTLPSpanExporter = partial(
    ConsoleSpanExporter,
    formatter=lambda span: f"{span.context.trace_id:x} {span.name}\\n",
)
""",
    "opentelemetry/instrumentation/flask.py": """\
from opentelemetry import trace

class FlaskInstrumentor:
    def instrument_app(self, app):
        inner = app.wsgi_app

        def outer(environ, start_response):
            name = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
            with trace.get_tracer("flask").start_as_current_span(name):
                return inner(environ, start_response)

        app.wsgi_app = outer
""",
    "drive.py": """\
from devtools.browser import Browser
from devtools.workers import burst
from traced_shop import app, provider

Browser(app).defer("echo", "x")
burst(app)
provider.force_flush()
""",
}


@once
def test_a_trace(commands: Commands, tmp_path: Path) -> None:
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    path = f"{tmp_path}:{PROJECT}"
    output = commands.run(commands.start("python", "drive.py", PYTHONPATH=path))
    spans = [line.split(" ", 1) for line in output.splitlines()]
    (trace,) = (it for it, name in spans if name == "POST /en/defer-result")
    assert sorted(name for it, name in spans if it == trace) == [
        "POST /en/defer-result",
        "create trytond-async",
        "process trytond-async",
    ]
