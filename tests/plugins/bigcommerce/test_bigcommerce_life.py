"""A store's life over real HTTP: the code redeemed, the app opened in its frame, users removed, and the store gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select
from stage import Stage, serving_here

from app.core.config import ConfigError, configure
from app.core.database import reading
from app.core.loading import load
from app.core.models import InstallationRow
from app.core.sources import discover
from app.sdk.simulation import Reply
from plugins.bigcommerce.schemas import language_of
from plugins.bigcommerce.simulator import SCOPE, Simulator

APP = {"client_id": "0123456789abcdef", "client_secret": "a-client-secret-of-the-app"}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A host with the stores' platform beside it."""
    with ExitStack() as stack:
        yield stack.enter_context(serving_here(Stage(tmp_path / "instance", stack, more=["bigcommerce"])))


@pytest.fixture
def store(stage: Stage) -> Any:
    return stage.simulators["bigcommerce"]


def installed(stage: Stage) -> list[dict[str, str]]:
    """What is stored of the platform's installations."""
    assert stage.app is not None
    mine = select(InstallationRow).where(InstallationRow.connector == "bigcommerce")
    with stage.app.app_context(), reading() as session:
        return [{"id": row.id, "title": row.title, "state": str(row.state)} for row in session.scalars(mine)]


# Only with its settings


@pytest.mark.parametrize(
    ("table", "served"),
    [({}, False), (APP, True), ({"enabled": False, **APP}, False)],
    ids=["nothing", "both", "switched-off"],
)
def test_it_serves_only_with_its_settings(table: dict[str, Any], served: bool) -> None:
    found = load(discover())
    configure(found, {"bigcommerce": table} if table else {}, lenient=False)
    assert next(one for one in found if one.name == "bigcommerce").serving is served


def test_half_of_its_settings_stops_the_start() -> None:
    with pytest.raises(ConfigError, match="client_secret"):
        configure(load(discover()), {"bigcommerce": {"client_id": "0123456789abcdef"}}, lenient=False)


# Installing


def test_a_code_connects_the_store_and_shows_a_page_in_the_frame(stage: Stage, store: Simulator) -> None:
    _, answer = store.play("auth")
    assert answer.status_code == 200
    assert "Harbour Goods" in answer.text
    framing = answer.headers["Content-Security-Policy"].partition("frame-ancestors ")[2].partition(";")[0]
    assert framing.split() == [
        "https://*.mybigcommerce.com",
        "https://login.bigcommerce.com",
        "https://manage.bigcommerce.com",
    ]
    [row] = installed(stage)
    assert (row["title"], row["state"]) == ("Harbour Goods", "active")


def test_a_code_is_redeemed_server_to_server_with_what_the_platform_asks_for(store: Simulator) -> None:
    outgoing, _ = store.play("auth")
    [exchange] = [call for call in store.calls if call.path == "/oauth2/token"]
    given = json.loads(exchange.body)
    query = {name: values[0] for name, values in parse_qs(urlsplit(outgoing.path).query).items()}
    assert given == {
        "client_id": store.keys["client_id"],
        "client_secret": store.keys["client_secret"],
        "grant_type": "authorization_code",
        "redirect_uri": f"{store.host}/bigcommerce/auth",
        **{name: query[name] for name in ("code", "context", "scope")},
    }


def test_the_same_request_twice_redeems_once(stage: Stage, store: Simulator) -> None:
    outgoing, _ = store.play("auth")
    token = store.shop.token
    again = store.send(outgoing)
    assert again.status_code == 200
    assert "Harbour Goods" in again.text
    assert store.shop.token == token
    assert len(installed(stage)) == 1


@pytest.mark.parametrize(
    "changes",
    [{"code": "0" * 80}, {"context": "stores/", "code": "0" * 80}, {"context": "https://evil.example"}, {"scope": ""}],
    ids=["a-code-of-nobody", "no-store", "an-address", "no-scope"],
)
def test_what_the_platform_does_not_know_connects_nobody(
    stage: Stage, store: Simulator, changes: dict[str, str]
) -> None:
    _, answer = store.play("auth", **changes)
    assert answer.status_code in (400, 403)
    assert answer.headers["Content-Type"].startswith("text/html")
    assert installed(stage) == []


def test_the_browsers_word_for_the_store_is_not_believed(stage: Stage, store: Simulator) -> None:
    """The platform answers for another store than the browser named."""
    told = {"access_token": "x" * 32, "scope": SCOPE, "context": "stores/another"}
    store.behaviour["token"] = Reply(200, json.dumps(told).encode())
    _, answer = store.play("auth")
    assert answer.status_code == 403
    assert installed(stage) == []


def test_a_missing_right_is_told_to_the_merchant(stage: Stage, store: Simulator) -> None:
    _, answer = store.play("auth", scope="store_v2_default store_v2_customers_read_only")
    assert (answer.status_code, installed(stage)) == (200, [])
    assert "store_v2_orders" in answer.text
    assert "store_v2_customers" not in answer.text


def test_a_right_to_modify_holds_the_right_to_read(stage: Stage, store: Simulator) -> None:
    store.play("auth", scope="store_v2_customers store_v2_orders store_v2_information_read_only")
    assert len(installed(stage)) == 1


def test_a_store_that_does_not_say_its_name_is_connected_all_the_same(stage: Stage, store: Simulator) -> None:
    store.behaviour["store"] = 500
    assert store.play("auth")[1].ok
    assert [row["title"] for row in installed(stage)] == [store.context]


def test_a_new_code_brings_a_new_token_for_the_same_store(stage: Stage, store: Simulator) -> None:
    store.play("auth")
    [before] = installed(stage)
    store.play("reinstall")
    assert [row["id"] for row in installed(stage)] == [before["id"]]


# Opening


def test_it_is_opened_by_an_address_for_this_opening_alone(store: Simulator) -> None:
    store.play("auth")
    opened = [store.play("load")[1] for _ in range(2)]
    assert [answer.status_code for answer in opened] == [303, 303]
    first, second = (answer.headers["Location"] for answer in opened)
    assert first.startswith(f"{store.host}/account")
    assert first != second


@pytest.mark.parametrize(
    ("locale", "said"), [("cs-CZ", "cs"), ("es-419", "es"), ("fr-FR", ""), ("x" * 90, ""), (7, "")]
)
def test_the_users_language_is_one_of_ours_or_left_to_the_browser(locale: Any, said: str) -> None:
    assert language_of({"user": {"locale": locale}}) == said
    assert language_of({"user": None}) == ""


def test_a_store_that_is_not_connected_sees_a_page_that_explains(store: Simulator) -> None:
    assert store.play("load")[1].status_code == 303


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another-app"},
        {"iss": "others"},
        {"sub": "stores/"},
        {"sub": "stores/a;b"},
        {"sub": None},
        {"exp": 1},
        {"nbf": 4102444800},
    ],
    ids=lambda claims: "-".join(map(str, claims.items())),
)
def test_a_token_for_somebody_else_or_another_time_opens_nothing(store: Simulator, claims: dict[str, Any]) -> None:
    store.play("auth")
    assert store.send(store.callback("load", claims)).status_code in (400, 403)


def test_the_deprecated_payload_is_never_looked_at(store: Simulator) -> None:
    store.play("auth")
    old = type(store.load())("GET", f"/bigcommerce/load?signed_payload={store.token()}")
    assert store.send(old).status_code == 400


# Leaving


def test_a_removed_user_changes_nothing_since_no_user_is_kept(stage: Stage, store: Simulator) -> None:
    store.play("auth")
    before = installed(stage)
    assert store.play("remove_user")[1].json() == {}
    assert installed(stage) == before


def test_an_opening_is_no_uninstall_once_it_was_used(stage: Stage, store: Simulator) -> None:
    """The token does not say what it is for; where it came first, it stays."""
    store.play("auth")
    opened, _ = store.play("load")
    captured = type(opened)("GET", opened.path.replace("/load", "/uninstall"))
    assert store.send(captured).status_code == 403
    assert [row["state"] for row in installed(stage)] == ["active"]


def test_an_uninstall_is_answered_twice_alike_and_serves_nobody(stage: Stage, store: Simulator) -> None:
    store.play("auth")
    for _ in range(2):
        assert store.play("uninstall")[1].json() == {}
    assert [row["state"] for row in installed(stage)] != ["active"]
