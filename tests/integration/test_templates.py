"""One line in a template shows a result."""

from __future__ import annotations

from typing import Any

import pytest

from devtools.browser import Browser
from tests.marks import once

ID = "00000000-0000-8000-8000-000000000001"


@pytest.fixture
def render(app: Any, client: Browser) -> Any:
    def render(source: str, **context: Any) -> str:
        with app.test_request_context("/"):
            template = app.jinja_env.from_string(source)
            app.update_template_context(context)
            return str(template.render(**context))

    return render


@once
def test_the_element_brings_what_it_needs(render: Any) -> None:
    page = render("{{ async_result(id) }}", id=ID)
    assert f'<async-result uuid="{ID}"></async-result>' in page
    assert '<script type="module" src="/async/client.js"></script>' in page


@once
def test_once(render: Any) -> None:
    page = render(
        "{{ async_client() }}{{ async_result(id) }}{{ async_result(id) }}", id=ID
    )
    assert page.count("<script") == 1
    assert page.count("<async-result ") == 2


@once
def test_attributes(render: Any) -> None:
    page = render(
        "{{ async_result(id, label='\"><script>', no_acknowledge=True, retry=False,"
        " timeout=None, interval=500) }}",
        id=ID,
    )
    assert (
        f'<async-result uuid="{ID}" label="&#34;&gt;&lt;script&gt;" no-acknowledge '
        'interval="500"></async-result>' in page
    )


@once
def test_a_template_for_the_result(render: Any) -> None:
    page = render(
        "{% call async_result(id) %}<template><b data-bind='total'></b></template>"
        "{% endcall %}",
        id=ID,
    )
    assert f"<async-result uuid=\"{ID}\"><template><b data-bind='total'>" in page


@once
def test_a_handle_as_well_as_its_id(render: Any) -> None:
    from nereid_async import AsyncResult

    page = render("{{ async_result(result) }}", result=AsyncResult(ID))
    assert f'uuid="{ID}"' in page


@once
def test_templates_are_found_before_there_are_threads(app: Any) -> None:
    """Nereid finds them at the first use else, and tells a second thread of none."""
    assert app.initialised
    assert app.jinja_loader._loaders
