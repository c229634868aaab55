"""What the hooks return, and which settings are usable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest
from marshmallow import Schema

from app.sdk import Answer, Hit, Malformed, Page, Person, Unknown, Verified
from plugins import orlo
from plugins.orlo.simulator import Simulator

SETTINGS = Schema.from_dict({setting.name: setting.field for setting in orlo.settings()})


class FakePeople:
    def __init__(self, *names: str) -> None:
        self.names = names
        self.searched: list[tuple[str, int]] = []

    def search(self, query: str, limit: int = 20) -> Sequence[Hit]:
        self.searched.append((query, limit))
        return [Hit(str(number), name) for number, name in enumerate(self.names)]

    def person(self, id: str) -> Person | None:
        return Person(id, self.names[int(id)]) if id.isdecimal() and int(id) < len(self.names) else None

    def by_contact(self, *, email: str = "", phone: str = "") -> Hit | None:
        return None


class FakeLinks:
    public_url = "https://addon.example"

    def to(self, action: str, key: str = "") -> str:
        return f"{self.public_url}/orlo/{action}/{key}"

    def token(self, purpose: str) -> str:
        return {"path": "p" * 43}[purpose]


def verified(action: str, fields: Mapping[str, str]) -> Verified:
    return Verified("orlo", action, datetime(2030, 1, 1, tzinfo=UTC), fields=fields)


def test_search_answers_in_the_platforms_shape() -> None:
    people = FakePeople("Žofie Nováková", "Jan Novák")
    answer = orlo.search(verified("search", {"q": "nov"}), people)
    assert (answer.status, answer.media_type) == (200, "application/json")
    assert json.loads(answer.body) == {
        "results": [{"id": "0", "name": "Žofie Nováková"}, {"id": "1", "name": "Jan Novák"}]
    }
    assert people.searched == [("nov", 20)]


def test_search_answers_with_twenty_at_most() -> None:
    answer = orlo.search(verified("search", {"q": "a"}), FakePeople(*(["a"] * 50)))
    assert len(json.loads(answer.body)["results"]) == 20


def test_open_shows_the_person() -> None:
    people = FakePeople("Jan")
    assert orlo.open(verified("open", {"id": "0"}), people) == Page("person", {"person": people.person("0")})


@pytest.mark.parametrize("id", ["1", "x", "-1"])
def test_open_of_nobody_is_unknown(id: str) -> None:
    with pytest.raises(Unknown):
        orlo.open(verified("open", {"id": id}), FakePeople("Jan"))


def test_install_with_the_operators_secrets() -> None:
    given = {"search_secret": "x", "open_secret": "Ž"}
    made = orlo.install(verified("install", given), FakeLinks())
    assert (made.title, made.proven, made.credentials) == ("Orlo", True, given)
    assert made.tenant == hashlib.sha256(b"p" * 43).hexdigest()
    assert isinstance(made.reply, Answer)
    assert json.loads(made.reply.body) == {
        "key": "p" * 43,
        "search_url": f"https://addon.example/orlo/search/{'p' * 43}",
        "open_url": f"https://addon.example/orlo/open/{'p' * 43}",
    }


def test_install_makes_what_is_missing_and_shows_it_once() -> None:
    made = orlo.install(verified("install", {"open_secret": "mine"}), FakeLinks())
    assert isinstance(made.reply, Answer)
    reply = json.loads(made.reply.body)
    assert made.credentials == {"search_secret": reply["search_secret"], "open_secret": "mine"}
    assert len(reply["search_secret"]) == 43
    assert "open_secret" not in reply


@pytest.mark.parametrize("name", ["search_secret", "open_secret"])
def test_install_refuses_an_empty_secret(name: str) -> None:
    with pytest.raises(Malformed, match=f"empty_{name}"):
        orlo.install(verified("install", {name: ""}), FakeLinks())


def test_defaults_of_the_settings() -> None:
    assert SETTINGS().load({}) == {"frame_ancestors": ["https://app.socialsignin.net"], "max_ttl": 3900}


@pytest.mark.parametrize("origin", ["https://app.orlo.tech", "https://*.orlo.tech", "https://app.orlo.tech:8443"])
def test_usable_frame_ancestors(origin: str) -> None:
    assert not SETTINGS().validate({"frame_ancestors": [origin]})


@pytest.mark.parametrize(
    "origin",
    [
        "http://app.orlo.tech",
        "app.orlo.tech",
        "*",
        "https://*",
        "https://*.tech",
        "https://a.*.tech",
        "https://app.orlo.tech/",
        "https://app.orlo.tech; script-src *",
        "https://app.orlo.tech https://evil.example",
        "https://app.orlo.tech\n",
        "'self'",
        "",
        7,
    ],
)
def test_unusable_frame_ancestors(origin: object) -> None:
    assert "frame_ancestors" in SETTINGS().validate({"frame_ancestors": [origin]})


@pytest.mark.parametrize("seconds", [3600, "3600"], ids=["file", "environment"])
def test_usable_max_ttl(seconds: object) -> None:
    assert SETTINGS().load({"max_ttl": seconds})["max_ttl"] == 3600


@pytest.mark.parametrize("seconds", [0, 59, -1, 604_801, "soon", 1.5, None])
def test_unusable_max_ttl(seconds: object) -> None:
    assert "max_ttl" in SETTINGS().validate({"max_ttl": seconds})


def test_the_simulator_takes_what_the_operator_printed() -> None:
    customer = Simulator("http://host.example", Simulator.make_keys())
    assert set(customer.operator_fields()) == {"search_secret", "open_secret"}
    customer.connected({"id": "i1", "key": "the-key"})
    assert customer.search(q="a").path.startswith("/orlo/search/the-key?q=a&expires=")
    assert customer.open(id="7").path.startswith("/orlo/open/the-key?id=7&expires=")
