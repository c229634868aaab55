"""What the pages show, to whom, in which language, and who may frame them."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from app.core.models import SessionRow, TicketRow
from app.core.services import Services
from app.pages.language import LANGUAGES
from app.sdk import Person, State
from tests.pages.shop import JANA, ORLO, Crowd, add_installation, storing

Enter = Callable[..., dict[str, str]]
STATIC = Path(__file__).resolve().parents[2] / "app" / "static"
TEMPLATES = Path(__file__).resolve().parents[2] / "app" / "templates" / "pages"
PUBLIC = ["/account/", "/account/open/upgates/i1", "/account/open/upgates/i1/people/1", "/account/closed/upgates"]
PUBLIC += ["/account/open/nobody/i1", "/account/open/upgates/i404"]
PRIVATE = ["/account/overview", "/account/people?q=jana", "/account/people/1", "/account/people/2", "/account/welcome"]
PRIVATE += ["/account/connections", "/account/connections/i1", "/account/connections/i9", "/account/connect/orlo"]
PRIVATE += ["/account/join", "/account/settings", "/account/erase"]
PARAMS = {
    "refused": {"message": "M"},
    "connected": {"title": "T"},
    "person": {"person": JANA},
    "consent": {
        "title": "Wazzup",
        "action": "/wazzup/install",
        "token": "t",
        "workspace": "Acme",
        "account": "42",
        "code": "",
        "trouble": "",
    },
}
# Words of our own in each page; the language of the reader changes every one of them.
WORDS = {"en": "Find a person", "cs": "Najít osobu", "sk": "Nájsť osobu", "ru": "Найти человека", "es": "Buscar a una"}


def framing(response: object) -> str:
    policy = response.headers["Content-Security-Policy"]  # type: ignore[attr-defined]
    return str(re.search("frame-ancestors ([^;]*)", policy)[1])  # type: ignore[index]


def view(app: Flask, name: str, params: dict[str, object], language: str = "en") -> str:
    with app.test_request_context():
        g.language = language
        host: Services = app.extensions["stallholder"]
        return host.views[name](params)


@pytest.mark.parametrize("path", PUBLIC)
@pytest.mark.parametrize("language", LANGUAGES)
def test_public_pages_in_every_language(client: FlaskClient, path: str, language: str) -> None:
    by_header = client.get(path, headers={"Accept-Language": f"{language}-XX, de;q=0.5"})
    by_query = client.get(f"{path}?language={language}", headers={"Accept-Language": "de"})
    for response in (by_header, by_query):
        assert f'<html lang="{language}">' in response.text
    assert strip_nonce(by_header.text) == strip_nonce(by_query.text)


def strip_nonce(text: str) -> str:
    return re.sub('nonce="[^"]+"', "", text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_fragments_in_the_visitors_language(client: FlaskClient, enter: Enter, language: str) -> None:
    bearer = enter(language=language)
    for path in PRIVATE:
        assert f'lang="{language}"' in client.get(path, headers={**bearer, "Accept-Language": "de"}).text
    assert WORDS[language] in client.get("/account/overview", headers=bearer).text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", PARAMS)
def test_views_in_every_language(app: Flask, host: Services, name: str, language: str) -> None:
    assert f'<html lang="{language}">' in view(app, name, PARAMS[name], language)


@pytest.mark.parametrize("asked", ["de", "", "../../etc", "css", "x" * 999])
def test_unknown_language_is_english(client: FlaskClient, asked: str) -> None:
    response = client.get("/account/", query_string={"language": asked}, headers={"Accept-Language": "de"})
    assert '<html lang="en">' in response.text


def test_shell_is_inert(app: Flask, client: FlaskClient, host: Services, mint: Callable[..., str]) -> None:
    mint()
    for _ in range(20):
        response = client.get("/account/open/upgates/i1")
        assert response.status_code == 200
        assert "Set-Cookie" not in response.headers
    with storing(app) as session:
        assert session.query(TicketRow).filter(TicketRow.used_at.is_(None)).count() == 1
        assert session.query(SessionRow).count() == 0
    assert "shop.example.cz" not in response.text


def test_shell_runs_its_own_script_alone(client: FlaskClient) -> None:
    response = client.get("/account/open/upgates/i1")
    policy = response.headers["Content-Security-Policy"]
    scripts = re.findall(r"<script[^>]*>", response.text)
    assert [re.search('/static/([^"]+)', script)[1] for script in scripts] == ["htmx.min.js", "account.js"]  # type: ignore[index]
    nonce = re.search(r"script-src 'nonce-([^']+)';", policy)
    assert nonce
    assert all(f'nonce="{nonce[1]}"' in script for script in scripts)
    assert policy.startswith("default-src 'none';")
    assert "<noscript>" in response.text


def test_unknown_connector(client: FlaskClient) -> None:
    for path in ("/account/open/nobody/i1", "/account/open/nobody/i1/people", "/account/closed/nobody"):
        response = client.get(path)
        assert response.status_code == 404
        assert "Not found." in response.text
        assert framing(response) == "'none'"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/account/open/upgates/i1", "https://*.upgates.com"),
        ("/account/open/upgates/i404", "https://*.upgates.com"),
        ("/account/closed/upgates", "https://*.upgates.com"),
        ("/account/open/upgates/i1/people/1", "https://*.upgates.com"),
        ("/account/open/orlo/i1", ORLO),
        ("/account/open/retailcrm/i1", "'none'"),
        ("/account/", "'none'"),
        ("/account/overview", "'none'"),
        ("/account/people?q=jana", "'none'"),
        ("/account/people/1", "'none'"),
    ],
)
def test_who_may_frame(client: FlaskClient, enter: Enter, path: str, expected: str) -> None:
    response = client.get(path, headers=enter())
    assert framing(response) == expected
    assert ("X-Frame-Options" in response.headers) == (expected == "'none'")


def test_a_shops_own_admin_alone_frames_its_pages(app: Flask, client: FlaskClient) -> None:
    own = "https://shop.admin.s1.upgates.com"
    add_installation(app, "i2", "w1", address=f"{own}/api/v2")
    for id, address in (("i3", "https://upgates.com.evil.example/api/v2"), ("i4", "https://evilupgates.com/api/v2")):
        add_installation(app, id, "w1", address=address)
    assert framing(client.get("/account/open/upgates/i2")) == own
    assert framing(client.get("/account/open/upgates/i2/settings")) == own
    for elsewhere in ("i3", "i4", "i404"):
        assert framing(client.get(f"/account/open/upgates/{elsewhere}")) == "https://*.upgates.com"
    # Under another marketplace's name it is as good as unknown.
    assert framing(client.get("/account/open/orlo/i2")) == ORLO
    assert "not installed" in client.get("/account/open/orlo/i2").text


def test_a_played_admin_frames_its_own_pages_and_no_others(client: FlaskClient, host: Services) -> None:
    host.stand_ins = {"upgates": "http://upgates.localhost:8003"}
    assert framing(client.get("/account/open/upgates/i1")) == "http://upgates.localhost:8003"
    assert framing(client.get("/account/open/retailcrm/i1")) == "'none'"
    assert framing(client.get("/account/")) == "'none'"


def test_refusal_of_a_connector_is_a_page(client: FlaskClient) -> None:
    response = client.get("/orlo/open/unknown")
    assert response.status_code == 404
    assert "<h1>This did not work</h1>" in response.text
    assert framing(response) == ORLO


@pytest.mark.parametrize("path", [*PUBLIC, *PRIVATE])
def test_nobody_keeps_a_copy(client: FlaskClient, enter: Enter, path: str) -> None:
    for headers in (enter(), {}):
        response = client.get(path, headers=headers)
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("name", PARAMS)
def test_pages_carry_nothing_inline_and_nothing_foreign(app: Flask, host: Services, name: str) -> None:
    page = view(app, name, PARAMS[name])
    assert not re.search(r"<(style|script|iframe|object|embed)\b|\sstyle=|\son\w+=", page)
    assert not re.search(r"<(?:link|img)[^>]+(?:href|src)=\"(?!/static/)", page)


def test_templates_and_assets_stay_small_and_at_home() -> None:
    assets = [STATIC / name for name in ("stallholder.css", "account.js", "htmx.min.js", "stall.svg")]
    assert sum(len(gzip.compress(file.read_bytes())) for file in assets) <= 60 * 1024
    assert (STATIC / "account.js").stat().st_size <= 8 * 1024
    for file in [*STATIC.glob("stall*"), STATIC / "account.js", *TEMPLATES.glob("*.html")]:
        text = file.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|@import|url\(\"?//", text), file.name
        assert "|safe" not in text.replace(" ", ""), file.name
    script = (STATIC / "account.js").read_text("utf-8")
    assert not re.search(r"sessionStorage|localStorage|innerHTML|eval\(|document\.cookie", script)


def test_overview_shows_the_workspace(app: Flask, client: FlaskClient, enter: Enter) -> None:
    add_installation(app, "i2", "w1", connector="wazzup", title="Wazzup 42", state=State.PAUSED)
    alarm = "An uninstall was announced, but the shop's credentials still work."
    add_installation(app, "i3", "w1", connector="gone", title="", state=State.UNINSTALLING, alarm=alarm)
    add_installation(app, "i4", "w1", title="forgotten.example", state=State.UNINSTALLED)
    text = client.get("/account/overview", headers=enter(language="cs")).text
    for shown in (
        "Customer w1",
        "shop.example.cz",
        "Připojeno od 2. 5. 2025",
        "Wazzup 42",
        "Pozastaveno",
        "Odebírá se",
    ):
        assert shown in text.replace("\u00a0", " ")
    assert "Bylo ohlášeno odinstalování" in text
    assert "forgotten.example" not in text


def test_other_workspaces_are_out_of_reach(client: FlaskClient, enter: Enter) -> None:
    bearer = enter("i1")
    assert "stranger.example" not in client.get("/account/overview", headers=bearer).text
    assert "Secret Stranger" not in client.get("/account/people?q=s", headers=bearer).text
    assert client.get("/account/people/9", headers=bearer).status_code == 404
    assert "Secret Stranger" in client.get("/account/people/9", headers=enter("i9")).text


def test_search(client: FlaskClient, enter: Enter) -> None:
    bearer = enter()
    found = client.get("/account/people?q=jana", headers=bearer).text
    assert 'data-person="1"' in found
    assert "1 person found" in found
    assert 'href="/account/open/upgates/i1/people/1"' in found
    assert "Nobody found for “zz”" in client.get("/account/people?q=zz", headers=bearer).text
    for blank in ("", "?q=", "?q=+++"):
        assert "data-person" not in client.get(f"/account/people{blank}", headers=bearer).text


def test_search_says_when_there_is_more(client: FlaskClient, host: Services, enter: Enter) -> None:
    crowd = Crowd([Person(str(number), f"Jan {number}") for number in range(30)])
    host.directory = lambda workspace: crowd
    text = client.get("/account/people?q=jan", headers=enter()).text
    assert text.count("data-person") == 20
    assert "The best 20 are shown" in text


@pytest.mark.parametrize(
    ("language", "number", "words"),
    [
        ("cs", 1, "Nalezena 1 osoba"),
        ("cs", 3, "Nalezeny 3 osoby"),
        ("cs", 7, "Nalezeno 7 osob"),
        ("ru", 2, "Найдено 2 человека"),
    ],
)
def test_numbers_are_declined(
    client: FlaskClient, host: Services, enter: Enter, language: str, number: int, words: str
) -> None:
    crowd = Crowd([Person(str(at), f"Jan {at}") for at in range(number)])
    host.directory = lambda workspace: crowd
    assert words in client.get("/account/people?q=jan", headers=enter(language=language)).text


def test_long_query_is_cut(client: FlaskClient, host: Services, enter: Enter) -> None:
    asked: list[str] = []

    class Listening(Crowd):
        def search(self, query: str, limit: int = 20) -> list[object]:  # type: ignore[override]
            asked.append(query)
            return []

    host.directory = lambda workspace: Listening([])
    client.get("/account/people", query_string={"q": "x" * 5000}, headers=enter())
    assert asked == ["x" * 200]


def test_card(client: FlaskClient, enter: Enter) -> None:
    text = client.get("/account/people/1", headers=enter(language="cs")).text.replace("\u00a0", " ")
    for shown in (
        "Jana Nováková",
        "Pekárna Nováková",
        'href="mailto:jana%2Bshop@example.cz"',
        'href="tel:+420777123456"',
        'href="tel:+420602111222"',
        'href="https://shop.example.cz/admin/customers/1?tab=a&amp;b" target="_blank" rel="noopener noreferrer"',
        "7. 3. 2025",
        "1 234,50 Kč",
        "89,00 €",
        "Shipped",
    ):
        assert shown in text


def test_card_of_somebody_without_anything(app: Flask, host: Services) -> None:
    page = view(app, "person", {"person": Person("5", "")})
    assert "Without a name" in page
    assert "No orders yet." in page
    assert "<a " not in page


def test_consent_names_both_sides(app: Flask, host: Services) -> None:
    page = view(app, "consent", PARAMS["consent"])
    for said in ("Wazzup account", "42", "not confirmed yet", "Acme", 'href="/account/"'):
        assert said in page
    assert re.search(
        r'<form[^>]+method="post" action="/wazzup/install">\s*<input type="hidden" name="consent" value="t">', page
    )
    alone = view(app, "consent", {**PARAMS["consent"], "workspace": "", "account": ""})
    assert "a workspace of its own" in alone
    assert "the account from which you came" in alone


def test_busy_database_is_said(app: Flask, client: FlaskClient, host: Services, enter: Enter) -> None:
    bearer = enter()

    def locked(workspace: str) -> Crowd:
        raise OperationalError("select", {}, Exception("locked"))

    host.directory = locked
    response = client.get("/account/people/1", headers=bearer)
    assert response.status_code == 503
    assert "Please try again in a moment." in response.text
    assert "locked" not in response.text


def test_visitors_language_that_we_do_not_speak(app: Flask, client: FlaskClient, enter: Enter) -> None:
    bearer = enter(language="de")
    with storing(app) as session:
        session.execute(update(SessionRow).values(language="xx"))
    assert WORDS["sk"] in client.get("/account/overview", headers={**bearer, "Accept-Language": "sk"}).text


def test_card_names_the_shops_and_leads_to_each(app: Flask, client: FlaskClient, host: Services, enter: Enter) -> None:
    add_installation(app, "i2", "w1", connector="retailcrm", title="crm.example", label="Our CRM")
    pages = ("https://shop.example.cz/admin/customers/1", "javascript:alert(1)")
    known = replace(JANA, sources=("i1", "i2", "import"), pages=pages)
    host.directory = lambda workspace: Crowd([known])
    text = client.get("/account/people/1", headers=enter()).text
    assert re.search(r'<dd><a href="https://shop.example.cz/admin/customers/1"[^>]+>shop.example.cz ', text)
    assert "<dd>Our CRM</dd>" in text
    assert "<dd>shop.example.cz" not in view(app, "person", {"person": JANA})
