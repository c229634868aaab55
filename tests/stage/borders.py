"""Every address of the host, with a request for each identity that may knock there."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

from customers import Customer, Newcomer, World, leave
from sqlalchemy import update

from app.core import pairing, tickets
from app.core.database import writing
from app.core.models import ConsentRow, InstallationRow, SessionRow, TicketRow
from app.core.seal import digest, new_token
from app.sdk import State
from app.sdk.simulation import Outgoing

IDENTITIES = ("none", "own", "foreign", "uninstalled", "marketplace", "expired", "revoked", "wrong_type")
OWN_PAGE = {"X-Stallholder": "1", "Sec-Fetch-Site": "same-origin", "Content-Type": "application/json"}
METRICS_TOKEN = "a-token-for-the-operators-metrics"
# Everybody has somebody of this name; whose answer it is, the rest of the name tells.
ASKED = "kanarek"

Attempt = Callable[[World], Outgoing]


@dataclass(frozen=True)
class Row:
    """One address: a request for each identity. ``yes`` names those who are served, with their own data alone."""

    attempts: Mapping[str, Attempt]
    yes: frozenset[str] = frozenset({"own"})
    public: bool = False


def get(path: str, **headers: str) -> Outgoing:
    return Outgoing("GET", path, headers)


def post(path: str, body: Any, **headers: str) -> Outgoing:
    return Outgoing("POST", path, {**OWN_PAGE, **headers}, json.dumps(body).encode())


def bearer(admission: tickets.Admission | str) -> dict[str, str]:
    token = admission if isinstance(admission, str) else admission.bearer
    return {"Authorization": f"Bearer {token}"}


def left_visit(customer: Customer) -> dict[str, str]:
    admission = customer.enter()
    customer.host.ask(post("/account/leave", {}, **bearer(admission)))
    return bearer(admission)


def old_visit(customer: Customer) -> dict[str, str]:
    admission = customer.enter()
    long_ago = datetime.now(UTC) - tickets.IDLE_LIFE - timedelta(seconds=1)
    with writing() as session:
        mine = SessionRow.bearer == digest("bearer", admission.bearer)
        session.execute(update(SessionRow).where(mine).values(seen_at=long_ago))
    return bearer(admission)


def uninstalled_visit(world: World) -> dict[str, str]:
    """A visit that began before the shop left."""
    mine = InstallationRow.id.in_(list(world.c.ids.values()))
    with writing() as session:
        session.execute(update(InstallationRow).where(mine).values(state=State.ACTIVE))
    admission = world.c.enter()
    leave(world.c)
    return bearer(admission)


def visitors_of(path: Callable[[World], str]) -> dict[str, Attempt]:
    """A page of the customer's, asked for with A's ids by everybody."""
    return {
        "none": lambda w: get(path(w)),
        "own": lambda w: get(path(w), **bearer(w.a.enter())),
        "foreign": lambda w: get(path(w), **bearer(w.b.enter())),
        "uninstalled": lambda w: get(path(w), **uninstalled_visit(w)),
        "marketplace": lambda w: get(path(w), **bearer(w.b.enter("retailcrm"))),
        "expired": lambda w: get(path(w), **old_visit(w.a)),
        "revoked": lambda w: get(path(w), **left_visit(w.a)),
        "wrong_type": lambda w: get(path(w), **bearer(w.a.enter().cookie)),
    }


def submitted(path: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Outgoing:
    """A form of our own page."""
    own = {**OWN_PAGE, "Content-Type": "application/x-www-form-urlencoded", "HX-Request": "true"}
    return Outgoing("POST", path, {**own, **headers}, urlencode(form).encode())


def visitors_form(
    path: str,
    others: Mapping[str, str] | None = None,
    own: Callable[[Newcomer], Mapping[str, str]] = lambda customer: {},
    yes: frozenset[str] = frozenset({"own"}),
) -> Row:
    """A change that a visitor makes: a newcomer makes its own, everybody else tries to make A's."""

    def aimed_at_a(headers: Callable[[World], Mapping[str, str]]) -> Attempt:
        return lambda w: submitted(path.replace("<id>", w.a.ids["orlo"]), others or {}, headers(w))

    def newcomers(w: World) -> Outgoing:
        fresh = Newcomer(w.host)
        return submitted(path.replace("<id>", fresh.ids["orlo"]), own(fresh), bearer(fresh.enter()))

    return Row(
        {
            "none": aimed_at_a(lambda w: {}),
            "own": newcomers,
            "foreign": aimed_at_a(lambda w: bearer(w.b.enter())),
            "uninstalled": aimed_at_a(uninstalled_visit),
            "marketplace": aimed_at_a(lambda w: bearer(w.b.enter("retailcrm"))),
            "expired": aimed_at_a(lambda w: old_visit(w.a)),
            "revoked": aimed_at_a(lambda w: left_visit(w.a)),
            "wrong_type": aimed_at_a(lambda w: bearer(w.a.enter().cookie)),
        },
        yes,
    )


def renamed_to(customer: Newcomer) -> dict[str, str]:
    """A new name."""
    return {"name": f"{customer.name}, renamed"}


def somebodys_code(customer: Newcomer) -> dict[str, str]:
    """A code that another workspace gave away."""
    return {"code": pairing.issue(Newcomer(customer.host).workspace, datetime.now(UTC))}


def everybody(path: str) -> Row:
    """A page that is the same for all who look, whatever they bring along."""
    attempts = visitors_of(lambda w: path)
    return Row(attempts, frozenset(IDENTITIES), public=True)


def late_ticket(customer: Customer) -> str:
    token = customer.ticket()
    with writing() as session:
        mine = TicketRow.digest == digest("ticket", token)
        session.execute(update(TicketRow).where(mine).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    return token


def used_ticket(customer: Customer) -> str:
    token = customer.ticket()
    tickets.exchange(token, datetime.now(UTC))
    return token


def exchange(token: Callable[[World], str]) -> Attempt:
    return lambda w: post("/account/session", {"ticket": token(w)})


def farewell(headers: Callable[[World], Mapping[str, str]]) -> Attempt:
    return lambda w: post("/account/leave", {}, **headers(w))


# Upgates signs JSON; a forger keeps the signature and names A's shop.


def shop(customer: Customer) -> Any:
    return customer.tenant.upgates


def signed(customer: Customer, action: str, **changes: str) -> Outgoing:
    made: Outgoing = getattr(shop(customer), action)(**{"time": customer.tenant.time(), **changes})
    return made


def renamed(outgoing: Outgoing, **fields: Any) -> Outgoing:
    """The same body with other fields; None takes one out."""
    body = {**json.loads(outgoing.body), **fields}
    return replace(
        outgoing, body=json.dumps({name: value for name, value in body.items() if value is not None}).encode()
    )


def stranger(customer: Customer, action: str) -> Outgoing:
    """The customer's request under a token of ours that no longer counts."""
    other = customer.host.another("upgates", {**shop(customer).keys, "signature_token": "a-token-that-was-taken-back"})
    other.home = shop(customer).home
    made: Outgoing = getattr(other, action)(time=customer.tenant.time())
    return made


def opened_first(w: World, action: str) -> Outgoing:
    """An opening that was used, sent as another action: they sign the very same bytes."""
    opening = signed(w.a, "open")
    assert w.host.ask(opening).accepted
    return replace(opening, path=f"/upgates/{action}")


def upgates(action: str, wrong_type: Attempt, own: str = "a") -> Row:
    attempts: dict[str, Attempt] = {
        "none": lambda w: renamed(signed(w.a, action), signature_v2=None),
        "own": lambda w: signed(getattr(w, own), action),
        "foreign": lambda w: renamed(signed(w.b, action), token=shop(w.a).keys["token"]),
        "uninstalled": lambda w: signed(w.c, action),
        "marketplace": lambda w: renamed(signed(w.a, action), signature_v2=w.a.tenant.orlo.search().path[-64:]),
        "expired": lambda w: signed(w.a, action, time="2020-01-01T00:00:00+01:00"),
        "revoked": lambda w: stranger(w.a, action),
        "wrong_type": wrong_type,
    }
    # A shop that left is answered politely, and only about itself; that it may install again is its right.
    return Row(attempts, frozenset({"own", "uninstalled"}))


def keyed(connector: str, purpose: str, send: Callable[[World, str], Outgoing], own: Callable[[World], str]) -> Row:
    """An address that a link secret names."""
    return Row(
        {
            "none": lambda w: send(w, ""),
            "own": lambda w: send(w, own(w)),
            "foreign": lambda w: send(w, w.b.link(connector, purpose, timedelta(hours=1))),
            "uninstalled": lambda w: send(w, w.c.link(connector, purpose, timedelta(hours=1))),
            "marketplace": lambda w: send(
                w, w.a.link("retailcrm" if connector != "retailcrm" else "upgates", purpose, timedelta(hours=1))
            ),
            "expired": lambda w: send(w, w.a.link(connector, purpose, timedelta(seconds=-1))),
            "revoked": lambda w: send(w, new_token()),
            "wrong_type": lambda w: send(w, w.a.enter().bearer),
        },
        frozenset({"own", "foreign"}),
    )


def hint(w: World, key: str) -> Outgoing:
    gone = {"customer_id": secrets.randbelow(10**9) + 1, "deletion_time": "2026-03-01T12:00:00+01:00"}
    body = {"token": shop(w.a).keys["token"], "customers": [gone]}
    return Outgoing(
        "POST", f"/upgates/webhook/{key}".rstrip("/"), {"Content-Type": "application/json"}, json.dumps(body).encode()
    )


# RetailCRM: a token over the key for the install, a link secret for the rest.


def crm(customer: Customer) -> Any:
    return customer.tenant.retailcrm


def with_form(outgoing: Outgoing, **fields: str) -> Outgoing:
    form = {**dict(parse_qsl(outgoing.body.decode(), keep_blank_values=True)), **fields}
    return replace(outgoing, body=urlencode(form).encode())


def activity(w: World, client_id: str) -> Outgoing:
    """Whoever sends it would like to pause A, and names A's address."""
    return with_form(crm(w.a).activity(active="false", system_url=crm(w.a).home), clientId=client_id)


def account_page(w: World, client_id: str) -> Outgoing:
    return with_form(crm(w.a).open(), clientId=client_id)


def registering() -> Row:
    dead = "a-key-that-the-account-does-not-know"

    def foreign(w: World) -> Outgoing:
        return crm(w.b).install(system_url=crm(w.a).home)  # type: ignore[no-any-return]

    def retired(w: World) -> Outgoing:
        other = w.host.another("retailcrm", {**crm(w.a).keys, "secret": "a-secret-that-was-taken-back"}, crm(w.a).home)
        return other.install()  # type: ignore[no-any-return]

    return Row(
        {
            "none": lambda w: crm(w.a).install(token=""),
            "own": lambda w: crm(w.a).install(),
            "foreign": foreign,
            "uninstalled": lambda w: crm(w.c).install(),
            "marketplace": lambda w: replace(signed(w.a, "install"), path="/retailcrm/install"),
            "expired": retired,
            "revoked": lambda w: crm(w.a).install(api_key=dead),
            "wrong_type": lambda w: crm(w.a).install(token=crm(w.a).client_id),
        },
        frozenset({"own", "uninstalled"}),
    )


# Wazzup: a state that a person agrees to, and a webhook with two link secrets.


def asked_page(w: World, customer: Customer, cookie: str = "") -> tuple[str, str]:
    """The consent page that a genuine redirect shows: its token and its browser's cookie."""
    page = w.host.ask(get(customer.tenant.wazzup.install().path, **({"Cookie": cookie} if cookie else {})))
    assert page.status == 200
    token = page.body.decode().partition('name="consent" value="')[2].partition('"')[0]
    assert token
    return token, page.headers["Set-Cookie"].partition(";")[0]


def agree(token: str, cookie: str, **headers: str) -> Outgoing:
    form = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie, "Sec-Fetch-Site": "same-origin"}
    return Outgoing("POST", "/wazzup/install", form | headers, urlencode({"consent": token}).encode())


def own_consent(w: World) -> Outgoing:
    """`d` connects: it is the one to be used up."""
    return agree(*asked_page(w, w.d))


def redirects() -> Row:
    """The GET changes nothing, whoever brings which state: it asks a person."""

    def state(changed: Callable[[World], str]) -> Attempt:
        return lambda w: get(f"/wazzup/install?state={changed(w)}")

    attempts: dict[str, Attempt] = {
        "none": lambda w: get("/wazzup/install"),
        "own": state(lambda w: w.a.tenant.wazzup.state()),
        "foreign": lambda w: get(w.b.tenant.wazzup.install().path, **bearer(w.b.enter())),
        "uninstalled": state(lambda w: w.c.tenant.wazzup.state()),
        "marketplace": state(lambda w: w.a.tenant.orlo.search().path[-64:]),
        "expired": state(lambda w: w.a.tenant.wazzup.state(exp=1)),
        "revoked": state(lambda w: w.a.tenant.wazzup.state(crmCode="another")),
        "wrong_type": state(lambda w: w.a.enter().bearer),
    }
    return Row(attempts, frozenset(IDENTITIES) - {"none"})


def consents() -> Row:
    def foreign(w: World) -> Outgoing:
        token, _ = asked_page(w, w.b)
        return agree(token, asked_page(w, w.a)[1])

    def spent(w: World) -> Outgoing:
        token, cookie = asked_page(w, w.d)
        assert w.host.ask(agree(token, cookie)).accepted
        return agree(asked_page(w, w.a)[0], cookie)

    def late(w: World) -> Outgoing:
        token, cookie = asked_page(w, w.a)
        with writing() as session:
            mine = ConsentRow.digest == digest("consent", token)
            session.execute(update(ConsentRow).where(mine).values(expires_at=datetime(2020, 1, 1, tzinfo=UTC)))
        return agree(token, cookie)

    return Row(
        {
            "none": lambda w: agree("", asked_page(w, w.a)[1]),
            "own": own_consent,
            "foreign": foreign,
            "uninstalled": lambda w: agree(asked_page(w, w.c)[0], ""),
            "marketplace": lambda w: agree(*asked_page(w, w.a), **{"Sec-Fetch-Site": "cross-site"}),
            "expired": late,
            "revoked": spent,
            "wrong_type": lambda w: agree(w.a.tenant.wazzup.state(), asked_page(w, w.a)[1]),
        }
    )


def callback(w: World, key: str, crm_key: str) -> Outgoing:
    headers = {"Authorization": f"Bearer {crm_key}"} if crm_key else {}
    body = w.a.tenant.wazzup.message(message_id=secrets.token_hex(8)).body
    return Outgoing("POST", f"/wazzup/webhook/{key}", headers | {"Content-Type": "application/json"}, body)


def callbacks() -> Row:
    hour = timedelta(hours=1)

    def pair(path: Callable[[World], str], crm_key: Callable[[World], str]) -> Attempt:
        return lambda w: callback(w, path(w), crm_key(w))

    def link(who: str, purpose: str, life: timedelta = hour) -> Callable[[World], str]:
        return lambda w: str(getattr(w, who).link("wazzup", purpose, life))

    return Row(
        {
            "none": pair(link("a", "path"), lambda w: ""),
            "own": pair(link("a", "path"), link("a", "crm_key")),
            "foreign": pair(link("a", "path"), link("b", "crm_key")),
            "uninstalled": pair(link("c", "path"), link("c", "crm_key")),
            "marketplace": pair(link("a", "path"), lambda w: w.a.link("retailcrm", "crm_key", hour)),
            "expired": pair(link("a", "path"), link("a", "crm_key", timedelta(seconds=-1))),
            "revoked": pair(link("a", "path"), lambda w: new_token()),
            "wrong_type": pair(link("a", "path"), link("a", "path")),
        }
    )


# Orlo signs the query with a secret of the installation.


def orlo(action: str) -> Row:
    other = {"search": "open", "open": "search"}[action]

    def asked(w: World) -> dict[str, str]:
        return {"q": ASKED} if action == "search" else {"id": w.a.person}

    def signed_by(who: str, **changes: str) -> Attempt:
        def made(w: World) -> Outgoing:
            outgoing: Outgoing = getattr(getattr(w, who).tenant.orlo, action)(**asked(w), **changes)
            return outgoing

        return made

    def at_a(made: Attempt) -> Attempt:
        """The same query at A's address."""

        def moved(w: World) -> Outgoing:
            outgoing, query = made(w), made(w).path.partition("?")[2]
            return replace(outgoing, path=f"/orlo/{action}/{w.a.tenant.orlo.link}?{query}")

        return moved

    def with_secret(secret: Callable[[World], str]) -> Attempt:
        def made(w: World) -> Outgoing:
            keys = {**w.a.tenant.orlo.keys, f"{action}_secret": secret(w)}
            forger = w.host.another("orlo", keys)
            forger.link = w.a.tenant.orlo.link
            outgoing: Outgoing = getattr(forger, action)(**asked(w))
            return outgoing

        return made

    attempts = {
        "none": lambda w: replace(signed_by("a")(w), path=signed_by("a")(w).path.partition("&sig=")[0]),
        "own": signed_by("a"),
        "foreign": at_a(signed_by("b")),
        "uninstalled": signed_by("c"),
        "marketplace": with_secret(lambda w: crm(w.a).client_id),
        "expired": signed_by("a", expires="1577836800"),
        "revoked": with_secret(lambda w: "a-secret-that-was-taken-back"),
        "wrong_type": with_secret(lambda w: w.a.tenant.orlo.keys[f"{other}_secret"]),
    }
    return Row(attempts)


SESSIONS = Row(
    {
        "none": lambda w: post("/account/session", {}),
        "own": exchange(lambda w: w.a.ticket()),
        "foreign": exchange(lambda w: w.b.ticket()),
        "uninstalled": exchange(lambda w: w.c.ticket()),
        "marketplace": exchange(lambda w: w.b.ticket("retailcrm")),
        "expired": exchange(lambda w: late_ticket(w.a)),
        "revoked": exchange(lambda w: used_ticket(w.a)),
        "wrong_type": exchange(lambda w: w.a.enter().bearer),
    },
    frozenset({"own", "foreign", "marketplace"}),
)
# Saying goodbye twice does no harm; what counts is that nobody else's visit ends.
FAREWELLS = Row(
    {
        "none": farewell(lambda w: {}),
        "own": farewell(lambda w: bearer(w.a.enter())),
        "foreign": farewell(lambda w: bearer(w.b.enter())),
        "uninstalled": farewell(uninstalled_visit),
        "marketplace": farewell(lambda w: bearer(w.b.enter("retailcrm"))),
        "expired": farewell(lambda w: bearer(new_token())),
        "revoked": farewell(lambda w: left_visit(w.b)),
        "wrong_type": farewell(lambda w: bearer(w.a.enter().cookie)),
    },
    frozenset(IDENTITIES),
)
OWN_LIST = frozenset({"own", "foreign", "marketplace"})
MATRIX: dict[str, Row] = {
    "GET /static/<path:filename>": everybody("/static/stall.svg"),
    "GET /healthz": everybody("/healthz"),
    "GET /readyz": everybody("/readyz"),
    "GET /metrics": Row(
        {**visitors_of(lambda w: "/metrics"), "own": lambda w: get("/metrics", **bearer(METRICS_TOKEN))}
    ),
    "GET /sandbox/": replace(everybody("/sandbox/"), yes=frozenset()),
    "GET /account/": everybody("/account/"),
    "GET /account/open/<connector>/<installation>": everybody("/account/open/upgates/i404"),
    "GET /account/closed/<connector>": everybody("/account/closed/upgates"),
    "GET /account/overview": Row(visitors_of(lambda w: "/account/overview"), OWN_LIST),
    "GET /account/people": Row(visitors_of(lambda w: "/account/people?" + urlencode({"q": ASKED})), OWN_LIST),
    "GET /account/people/<id>": Row(visitors_of(lambda w: f"/account/people/{w.a.person}")),
    "GET /account/open/<connector>/<installation>/<path:page>": everybody("/account/open/upgates/i404/people/1"),
    "GET /account/welcome": Row(visitors_of(lambda w: "/account/welcome"), OWN_LIST),
    "GET /account/connections": Row(visitors_of(lambda w: "/account/connections"), OWN_LIST),
    "GET /account/connections/<id>": Row(visitors_of(lambda w: f"/account/connections/{w.a.ids['orlo']}")),
    "GET /account/connect/<connector>": Row(visitors_of(lambda w: "/account/connect/orlo"), OWN_LIST),
    "GET /account/join": Row(visitors_of(lambda w: "/account/join"), OWN_LIST),
    "GET /account/settings": Row(visitors_of(lambda w: "/account/settings"), OWN_LIST),
    "GET /account/erase": Row(visitors_of(lambda w: "/account/erase"), OWN_LIST),
    "POST /account/connect/<connector>": visitors_form("/account/connect/orlo", yes=OWN_LIST),
    "POST /account/connections/<id>/name": visitors_form("/account/connections/<id>/name", {"name": "X"}, renamed_to),
    "POST /account/connections/<id>/again": visitors_form("/account/connections/<id>/again"),
    "POST /account/connections/<id>/disconnect": visitors_form("/account/connections/<id>/disconnect"),
    "POST /account/connections/<id>/link": visitors_form("/account/connections/<id>/link"),
    "POST /account/connections/<id>/link/end": visitors_form("/account/connections/<id>/link/end"),
    "POST /account/join/code": visitors_form("/account/join/code", yes=OWN_LIST),
    "POST /account/join/look": visitors_form("/account/join/look", {"code": "2222-2222"}, somebodys_code),
    "POST /account/join": visitors_form("/account/join", {"code": "2222-2222"}, somebodys_code),
    "POST /account/settings": visitors_form("/account/settings", {"name": "X"}, renamed_to, OWN_LIST),
    "POST /account/visits/end": visitors_form("/account/visits/end", yes=OWN_LIST),
    "POST /account/erase": visitors_form(
        "/account/erase", {"confirm": "A name that nobody has"}, lambda one: {"confirm": one.name}
    ),
    "POST /account/session": SESSIONS,
    "POST /account/leave": FAREWELLS,
    "POST upgates/install": upgates("install", lambda w: replace(signed(w.a, "open"), path="/upgates/install")),
    "POST upgates/open": upgates("open", lambda w: replace(signed(w.a, "install"), path="/upgates/open")),
    "POST upgates/uninstall": upgates("uninstall", lambda w: opened_first(w, "uninstall"), own="d"),
    "POST upgates/version": upgates("version", lambda w: opened_first(w, "version")),
    "POST upgates/webhook": keyed("upgates", "path", hint, lambda w: w.a.tenant.hint_key),
    "GET retailcrm/config": everybody("/retailcrm/config"),
    "POST retailcrm/install": registering(),
    "POST retailcrm/open": keyed("retailcrm", "client_id", account_page, lambda w: str(crm(w.a).client_id)),
    "POST retailcrm/activity": keyed("retailcrm", "client_id", activity, lambda w: str(crm(w.a).client_id)),
    "GET wazzup/install": redirects(),
    "POST wazzup/install": consents(),
    "POST wazzup/webhook": callbacks(),
    "GET orlo/search": orlo("search"),
    "GET orlo/open": orlo("open"),
}
