"""E-mail addresses: found wherever they stand, from each of their words, and each of several joins."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from app.core.database import reading
from app.people import contacts, emails, joining, requests, terms
from app.people.directory import PeopleDirectory
from app.people.emails import addresses
from app.people.models import LONGEST_TERM, PersonRow
from app.people.terms import LEFT, email_term
from app.sdk import Person
from tests.people.test_people_directory import names, store
from tests.people.truth import finds


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("jan@x.cz", ["jan@x.cz"]),
        ("Jan Novák <jan.novak+shop@x-y.cz>", ["jan.novak+shop@x-y.cz"]),
        ("a@x.cz, b@y.cz;c@z.cz d@u.cz/e@v.cz", ["a@x.cz", "b@y.cz", "c@z.cz", "d@u.cz", "e@v.cz"]),
        ("„jan@x.cz“, (eva@x.cz).", ["jan@x.cz", "eva@x.cz"]),
        ("o’neil@x.ie o'neil@x.ie", ["o’neil@x.ie", "o'neil@x.ie"]),
        ("_jan_@x.cz -eva@x.cz", ["_jan_@x.cz", "eva@x.cz"]),
        ("josé@ñandú.es иван@почта.рф", ["josé@ñandú.es", "иван@почта.рф"]),
        ("\u202ajan@x.cz\u202c", ["jan@x.cz"]),
        ("jan@ jan@x.", ["jan@", "jan@x"]),
        ("@x.cz @@@ @", []),
    ],
)
def test_the_addresses_in_a_text(text: str, found: list[str]) -> None:
    assert addresses(text) == found


def the_field(text: str) -> list[str]:
    """The rule that takes a whole field for one address."""
    return [" ".join(text.split())] if "@" in text else []


def nowhere_else(text: str) -> list[str]:
    """The rule that looks for addresses in the field for them alone, which here has none."""
    return []


@pytest.mark.parametrize(
    ("control", "person", "query"),
    [
        (nowhere_else, Person("1", "jan@x.cz"), "jan@x.cz"),
        (nowhere_else, Person("1", "Jan", company="Růže (info@x.cz)"), "info@x"),
        (the_field, Person("1", "Eva", "a@x.cz, b@y.cz"), "b@y.cz"),
        (the_field, Person("1", "Eva", "a@x.cz b@y.cz"), "b@y"),
    ],
)
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control"])
def test_an_address_is_found_by_itself(
    monkeypatch: pytest.MonkeyPatch, control: Callable[[str], list[str]], person: Person, query: str, guarded: bool
) -> None:
    words = terms.query_words(query)
    monkeypatch.setattr(emails, "addresses", addresses if guarded else control)
    assert finds(query, person, lambda query: words) is guarded


def the_whole(address: str) -> Iterable[str]:
    return [email_term(address)]


@pytest.mark.parametrize(
    ("rule", "found"), [(terms._address_terms, True), (the_whole, False)], ids=["guarded", "control"]
)
@pytest.mark.parametrize("query", ["novak@sez", "novak@seznam.cz", "jr+shop@sez", "shop@"])
def test_an_address_is_found_from_each_of_its_words(
    monkeypatch: pytest.MonkeyPatch, query: str, rule: Callable[[str], Iterable[str]], found: bool
) -> None:
    monkeypatch.setattr(terms, "_address_terms", rule)
    assert finds(query, Person("1", "Jan", "jan.novak@seznam.cz, j.novak_jr+shop@seznam.cz")) is found


def test_an_apostrophe_is_written_in_many_ways() -> None:
    for address in ("o'neil@x.ie", "o’neil@x.ie"):
        for query in ("o'neil@x.ie", "o’neil@x", "oneil@x.ie", "O‘Neil@x.ie"):
            assert finds(query, Person("1", "Jan", address)), (address, query)


def test_most_people_have_one_term_for_their_address() -> None:
    assert [term for term in terms.terms(Person("1", "Jan", "jan77@x.cz")) if "@" in term] == ["jan77@x.cz"]
    long = terms.terms(Person("1", "Jan", ".".join("abcdefghij") + "@x.cz"))
    assert sum("@" in term for term in long) == 1 + terms.MOST_INNER


def test_a_term_of_an_address_is_never_longer_than_a_term() -> None:
    found = terms.terms(Person("1", "Jan", f"a.{'b' * 100}.c@x.cz"))
    assert max(map(len, found)) == LONGEST_TERM
    assert "c@x.cz/" in found


def unmarked(address: str) -> Iterable[str]:
    """The rule by which a part of an address is a term like the whole."""
    return (term.removesuffix(LEFT) for term in _address_terms(address))


_address_terms = terms._address_terms


@pytest.mark.parametrize(("rule", "good"), [(_address_terms, True), (unmarked, False)], ids=["guarded", "control"])
def test_whose_whole_address_it_is_comes_first_and_is_joined(
    mine: PeopleDirectory,
    installed: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    rule: Callable[[str], Iterable[str]],
    good: bool,
) -> None:
    """However many have an address that only ends so."""
    monkeypatch.setattr(terms, "_address_terms", rule)
    installed("shop2", "w1")
    store(*(Person(f"{n}", f"Adam {n}", f"adam{n}.novak@x.cz") for n in range(joining.MOST_SHARING)))
    store(Person("me", "Zdeněk Novák", "novak@x.cz"))
    store(Person("me", "Zdeněk", "novak@x.cz"), source="shop2")
    assert names(mine, "novak@x.cz")[0].startswith("Zdeněk") is good
    hit = mine.by_contact(email="novak@x.cz")
    assert hit is not None
    with reading() as session:
        (human,) = set(joining.humans_of(session, "w1", ["shop1", "shop2"], [int(hit.id)]).values())
    assert len(human) == (2 if good else 1)


@pytest.mark.parametrize("by", [{"email": "B@y.cz"}, {"email": "a@x.cz"}])
def test_each_of_several_addresses_is_the_persons(
    mine: PeopleDirectory, installed: Callable[..., None], by: dict[str, str]
) -> None:
    installed("shop2", "w1")
    store(Person("1", "Eva", "a@x.cz, b@y.cz"))
    store(Person("1", "Eva Malá", "b@y.cz"), source="shop2")
    hit = mine.by_contact(**by)
    assert hit is not None
    card = mine.person(hit.id)
    assert card is not None
    assert len(card.sources) == 2
    assert len(mine.search("eva")) == 1


def test_contacts_are_the_addresses_as_they_are_compared() -> None:
    assert contacts.spelled("Eva <A@x.cz>, b@y.cz; a@X.cz jan@", "") == "a@x.cz\nb@y.cz"


@pytest.mark.parametrize(("rule", "told"), [(contacts.addresses, True), (the_field, False)], ids=["guarded", "control"])
def test_a_request_is_about_each_address(
    monkeypatch: pytest.MonkeyPatch, rule: Callable[[str], list[str]], told: bool
) -> None:
    monkeypatch.setattr(requests, "addresses", rule)
    row = PersonRow(external_id="1", email="first@x.cz, second@y.cz", phone="")
    assert ({"first@x.cz", "second@y.cz"} <= {*requests.Held("w1", [], [row]).names()}) is told
