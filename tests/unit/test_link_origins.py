"""Where the links of a task lead, whatever stands in the Host of its request."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from nereid_async.web.origin import Origins

#: The website's name.
WEBSITE = "shop.example.com"

ORIGINS = Origins({}, ["shop.example.com", ".example.org"])

#: They end in a host that is taken, or begin with it; browsers go elsewhere, or mails
#: have more in them than a link. Older releases of werkzeug let them through.
ODD = [
    r"evil.com\@shop.example.com",
    r"evil.com\@localhost",
    r"evil.com\@127.0.0.1",
    r"evil.com\.localhost",
    r"evil.com\.example.org",
    "evil.com#@localhost",
    "evil.com/@localhost",
    "evil.com;.localhost",
    "evil.com%2f.localhost",
    'evil.com"><i>.localhost',
    "evil.com .localhost",
    "evil.com\t.localhost",
    "evil\u3002com@localhost",
    "evil@shop.example.com",
    "shop.example.com:80@evil.com",
    r"shop.example.com:\@evil.com",
    "shop.example.com:evil",
    "[::1]@evil.com",
    "[evil.com",
]


def base_url(host: str) -> str:
    # What an older werkzeug makes of any Host.
    request: Any = SimpleNamespace(
        host=host, scheme="http", root_path="/below", url_root=f"http://{host}/below/"
    )
    return ORIGINS.base_url(request, WEBSITE)


@pytest.mark.parametrize("host", ODD)
def test_an_odd_host_is_none_of_ours(host: str) -> None:
    assert base_url(host) == "http://shop.example.com/below/"


@pytest.mark.parametrize(
    "host",
    [
        "shop.example.com",
        "SHOP.example.com:8080",
        "www.example.org",
        "localhost:5000",
        "a.localhost",
        "127.0.0.1:5000",
        "[::1]",
        "[::1]:5000",
    ],
)
def test_a_host_of_ours_stays(host: str) -> None:
    assert base_url(host) == f"http://{host}/below/"
