"""Whatever a shop says about its people, a page shows it and never runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html.parser import HTMLParser

import pytest
from flask import Flask, g
from flask.testing import FlaskClient

from app.core.models import WorkspaceRow
from app.core.services import Services
from app.pages import formats
from app.sdk import Order, Person
from tests.pages.shop import Crowd, add_installation, storing

MARKUP = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script href=data:,alert(1) /></svg>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</template><script>alert(1)</script>",
    "--><script>alert(1)</script>",
    "]]><script>alert(1)</script>",
    '"><script>alert(1)</script>',
    "'><script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "' onmouseover='alert(1)",
    '" autofocus onfocus=alert(1) x="',
    "`onmouseover=alert(1)",
    "<a href=javascript:alert(1)>x</a>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<object data=javascript:alert(1)>",
    "<embed src=javascript:alert(1)>",
    "<base href=//evil.example>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<form action=//evil.example><button>x",
    "<style>@import '//evil.example'</style>",
    "<link rel=stylesheet href=//evil.example>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<details open ontoggle=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "%(message)s %s %d",
    "\u202e<script>\u2028alert(1)</script>",
]
ADDRESSES = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    " javascript:alert(1)",
    "java\tscript:alert(1)",
    "java\nscript:alert(1)",
    "\x01javascript:alert(1)",
    "javascript://shop.example/%0aalert(1)",
    "javascript&colon;alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "blob:https://shop.example/1",
    "file:///etc/passwd",
    "//evil.example",
    "\\\\evil.example",
    "/relative",
    "https:evil.example",
    "https:///evil.example",
    "https://user@evil.example/",
    "https://shop.example\\@evil.example/",
    "https://shop.example/\njavascript:alert(1)",
]
PAYLOADS = [*MARKUP, *ADDRESSES]
ALLOWED = {
    "html",
    "head",
    "meta",
    "title",
    "link",
    "body",
    "main",
    "article",
    "header",
    "section",
    "div",
    "span",
    "p",
    "progress",
}
ALLOWED |= {"h1", "h2", "h3", "ul", "ol", "li", "dl", "dt", "dd", "a", "b", "img", "button", "form", "label", "input"}
ALLOWED |= {"nav", "footer", "details", "summary", "select", "option", "optgroup", "output"}


class Reader(HTMLParser):
    """Collects what a browser would build of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def faults(page: str) -> Iterator[str]:
    """What must not be on a page: a foreign element, a handler, a style, a link that is no plain one."""
    for tag, attributes in Reader(page).tags:
        if tag not in ALLOWED:
            yield tag
        for name, value in attributes.items():
            if name.startswith("on") or name in {"style", "srcdoc", "autofocus", "formaction"}:
                yield f"{tag} {name}"
            if name in {"href", "src", "action", "hx-get", "hx-post"} and not str(value).startswith(
                ("/static/", "/account/", "/wazzup/", "https://", "mailto:", "tel:")
            ):
                yield f"{tag} {name}={value}"
            own = str(value).startswith("/account/")
            if "evil.example" in str(value) and name in {"href", "src", "action"} and not own:
                yield f"{tag} {name}={value}"


def hostile(payload: str) -> Person:
    order = Order(payload, payload, payload, payload, payload, payload)
    return Person("1", payload, payload, payload, payload, payload, payload, payload, (order,))


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_views_escape_every_field(app: Flask, host: Services, payload: str) -> None:
    params: dict[str, dict[str, object]] = {
        "person": {"person": hostile(payload)},
        "refused": {"message": payload},
        "connected": {"title": payload},
        "consent": {name: payload for name in ("title", "token", "workspace", "account", "code")}
        | {"action": "/wazzup/install", "trouble": ""},
    }
    for name, given in params.items():
        with app.test_request_context():
            g.language = "ru"
            page = host.views[name](given)
        assert list(faults(page)) == []
        assert payload.strip() in Reader(page).text


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_fragments_escape_every_field(
    app: Flask, client: FlaskClient, host: Services, enter: Callable[..., dict[str, str]], payload: str
) -> None:
    crowd = Crowd([hostile(payload), Person(payload, payload)])
    host.directory = lambda workspace: crowd
    add_installation(app, "i7", "w1", connector="gone", title=payload, alarm=payload)
    add_installation(app, "i8", "w1", connector="orlo", title="Orlo", label=payload)
    with storing(app) as session:
        session.get_one(WorkspaceRow, "w1").name = payload
    bearer = enter()
    shown = ("overview", "welcome", "people", "people/1", "connections", "connections/i8", "settings", "erase")
    for path in shown:
        page = client.get(f"/account/{path}", query_string={"q": payload}, headers=bearer).text
        assert list(faults(page)) == []
        assert payload.strip() in Reader(page).text


def test_the_check_would_notice(app: Flask, host: Services) -> None:
    """Its negative control: without escaping, and without the filter of links, the same check finds plenty."""
    app.jinja_env.filters["web_link"] = str
    with app.test_request_context():
        page = host.views["person"]({"person": Person("1", "A", url="javascript:alert(1)")})
    assert any("javascript:" in fault for fault in faults(page))
    app.jinja_env.cache.clear()
    app.jinja_env.autoescape = False
    with app.test_request_context():
        page = host.views["refused"]({"message": "<script>alert(1)</script>"})
    assert "script" in list(faults(page))


@pytest.mark.parametrize("address", ADDRESSES, ids=range(len(ADDRESSES)))
def test_only_plain_web_addresses_are_links(address: str) -> None:
    assert formats.web_link(address) == ""


@pytest.mark.parametrize(
    "address", ["https://shop.example/admin?a=1&b=2#c", "HTTP://shop.example:8080", "https://š.example/ž"]
)
def test_web_addresses_are_links(address: str) -> None:
    assert formats.web_link(address) == address


@pytest.mark.parametrize(
    "email", ["a@b", "a b@c.cz", "a@b.cz?cc=x@y.cz", "a@b.cz,c@d.cz", "a@b.cz\nBcc: x@y.cz", "<a@b.cz>", ""]
)
def test_odd_mail_addresses_are_no_links(email: str) -> None:
    assert formats.mail_link(email) == ""


@pytest.mark.parametrize(
    ("phone", "link"),
    [("+420 (777) 12-34.56", "tel:+420777123456"), ("777;ext=1", ""), ("call me", ""), ("", ""), ("+1", "")],
)
def test_phones(phone: str, link: str) -> None:
    assert formats.phone_link(phone) == link


@pytest.mark.parametrize(
    ("total", "currency", "shown"),
    [
        ("1234.5", "EUR", "€1,234.50"),
        ("1234.5", "CZK", "CZK 1,234.50"),
        ("5", "", "5"),
        ("NaN", "EUR", "NaN EUR"),
        ("1e999999", "EUR", "1e999999 EUR"),
        ("free", "EUR", "free EUR"),
        ("5", "<b>", "5 <b>"),
    ],
)
def test_sums(app: Flask, total: str, currency: str, shown: str) -> None:
    with app.test_request_context():
        assert formats.written_sum(total, currency).replace("\u00a0", " ") == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2025-03-07", "7 Mar 2025"),
        ("2025-03-07T00:30:00+02:00", "7 Mar 2025"),
        ("soon", "soon"),
        ("0000-00-00", "0000-00-00"),
    ],
)
def test_dates(app: Flask, text: str, shown: str) -> None:
    with app.test_request_context():
        assert formats.written_date(text) == shown
