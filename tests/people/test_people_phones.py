"""Phone numbers: every spelling finds the number, and no other country's."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pytest

from app.people import phones
from app.people.phones import asked_forms, joined, keys, numbers, stored_forms, whole, with_countries
from app.people.rows import to_storable
from app.sdk import Person

CZ = ["+420 777 123 456", "+420777123456", "00420777123456", "00420 777-123-456", "420777123456", "777 123 456"]
RU = ["+7 912 345-67-89", "89123456789", "8 (912) 345-67-89", "79123456789", "9123456789"]
UK = ["+44 7911 123456", "07911 123456", "+44 (0)7911 123456", "00447911123456"]
SPELLINGS = [(stored, asked) for same in (CZ, RU, UK) for stored in same for asked in same]


@pytest.mark.parametrize(("stored", "asked"), SPELLINGS)
def test_every_spelling_finds_every_spelling(stored: str, asked: str) -> None:
    assert stored_forms(stored) & set(asked_forms(asked))


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        pytest.param("+420 777 123 456", "+421 777 123 456", id="another country"),
        pytest.param("+421 777 123 456", "00420777123456", id="another country by 00"),
        pytest.param("+420 777 123 456", "777 123 457", id="another number"),
        pytest.param("777 123 456", "+420 777 123 457", id="another number with its country"),
    ],
)
def test_another_number_is_not_found(stored: str, asked: str) -> None:
    assert not stored_forms(stored) & set(asked_forms(asked))


@pytest.mark.parametrize("asked", ["+420", "+420 777", "00420 777 1", "420777", "777 12"])
def test_a_number_half_typed_is_the_beginning_of_a_term(asked: str) -> None:
    stored = stored_forms("+420 777 123 456")
    assert any(term.startswith(form) for form in asked_forms(asked) for term in stored)


def test_two_numbers_in_one_field() -> None:
    stored = stored_forms("+420 777 123 456, +421 905 123 456 / +420602111222")
    for asked in ("777123456", "0905 123 456", "602111222"):
        assert stored & set(asked_forms(asked)), asked


def at_a_comma_alone(text: str) -> list[str]:
    """The rule that knows two numbers by a comma, or by a slash in front of a plus."""
    return [part[: phones.LONGEST] for part in re.split(r"[,;|\n]|/(?=\s*\+)", text)]


TWO = [
    "777 123 456 / 602 111 222",
    "777123456/602111222",
    "+420777123456 +420602111222",
    "+420 777 123 456 a +420 602 111 222",
    "+420 777 123 456 nebo 602 111 222",
    "777 123 456 or 602 111 222",
    "777 123 456 или 602 111 222",
    "00420777123456 00420602111222",
    "tel. 777 123 456 (Jan) mob. 602 111 222",
]


@pytest.mark.parametrize(("rule", "both"), [(numbers, True), (at_a_comma_alone, False)], ids=["guarded", "control"])
@pytest.mark.parametrize("text", TWO)
def test_two_numbers_however_they_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, text: str, rule: Callable[[str], Sequence[str]], both: bool
) -> None:
    monkeypatch.setattr(phones, "numbers", rule)
    found = [bool(stored_forms(text) & set(asked_forms(asked))) for asked in ("777123456", "602 111 222")]
    assert all(found) is both
    assert {key[-9:] for key in keys(text)} == {"777123456", "602111222"} or not both


@pytest.mark.parametrize(
    "text",
    [
        "+420 222 333 444 kl. 12", "222 333 444/5", "02/1234567", "0905/123 456", "00420/777 123 456", "1-800-FLOWERS",
        "+1 650 253 0000 x 1234", "(+420) 777 123 456", "\uff0b420 777 123 456", "tel. 777 123 456",
        "+44 (0) 20 7946 0958",
    ],
)  # fmt: skip
def test_one_number_stays_one(text: str) -> None:
    assert len(numbers(text)) == 1


def test_a_label_is_no_part_of_a_number() -> None:
    assert numbers("tel. (doma): 00420 777 123 456, mob.: 602 111 222 (ráno)") == ("00420 777 123 456", "602 111 222")
    assert keys("tel. 00420 777 123 456") == {"420777123456"}


def test_the_numbers_of_several_fields_each_once() -> None:
    assert joined(["+420 777 123 456 a 602 111 222", "602111222", "", "n/a"]) == "+420 777 123 456, 602 111 222"


@pytest.mark.parametrize(
    ("trunk", "found"), [(phones._TRUNK, True), (re.compile("(?!)"), False)], ids=["guarded", "control"]
)
@pytest.mark.parametrize("text", ["+420 (0) 777 123 456", "+420 (0)777123456", "00420 ( 0 ) 777-123-456"])
def test_a_zero_that_is_not_dialled(
    monkeypatch: pytest.MonkeyPatch, text: str, trunk: re.Pattern[str], found: bool
) -> None:
    monkeypatch.setattr(phones, "_TRUNK", trunk)
    phones._with_country.cache_clear()
    for asked in ("777123456", "+420777123456"):
        assert bool(stored_forms(text) & set(asked_forms(asked))) is found
        assert bool(stored_forms(asked) & set(asked_forms(text))) is found or asked == "777123456"
    phones._with_country.cache_clear()


def test_a_zero_that_is_dialled_stays() -> None:
    assert keys("+39 (0)6 69812345") == keys("+39 06 69812345")


FIVE = [f"+7 (900) 123-45-{n:02} nebo doma" for n in range(9)]


@pytest.mark.parametrize(
    ("cut", "whole_ones"),
    [(whole, True), (lambda text: text[: phones.LONGEST_FIELD], False)],
    ids=["guarded", "control"],
)
def test_a_cut_splits_no_number(monkeypatch: pytest.MonkeyPatch, cut: Callable[[str], str], whole_ones: bool) -> None:
    monkeypatch.setattr(phones, "whole", cut)
    kept = [to_storable(Person("1", "Jan", phone=" " * lead + ", ".join(FIVE))).phone for lead in range(3)]
    kept += [to_storable(Person("1", "Jan", phone="x" * lead + ", ".join(FIVE))).phone for lead in range(40)]
    assert all(len(phone) <= phones.LONGEST_FIELD for phone in kept)
    assert all(len(keys(phone)) >= 5 for phone in kept)
    assert all(len(key) == 11 for phone in kept for key in keys(phone)) is whole_ones


def test_an_extension_is_no_part_of_the_number() -> None:
    assert stored_forms("+420 777 123 456 ext. 5") & set(asked_forms("777123456"))


@pytest.mark.parametrize("text", ["", "n/a", "+", "++", "(", "00", "\0", "\ud800", "٠٠٤٢٠٧٧٧١٢٣٤٥٦", "9" * 10_000])
def test_odd_texts_do_not_crash(text: str) -> None:
    assert all(len(form) <= 64 for form in stored_forms(text) | set(asked_forms(text)))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("79211234567", "+79211234567", id="the country code, no plus"),
        pytest.param("8 (921) 123-45-67", "+79211234567", id="the trunk 8 of country code 7"),
        pytest.param("420 777 123 456; 79211234567", "+420777123456, +79211234567", id="two"),
        pytest.param("+420 777 123 456", "+420 777 123 456", id="told as it is"),
        pytest.param("00420777123456", "00420777123456", id="told as it is, by 00"),
        pytest.param("777 123 456", "777 123 456", id="a national number"),
        pytest.param("0777 123 456 78", "0777 123 456 78", id="a trunk 0"),
        pytest.param("42099", "42099", id="no valid number"),
        pytest.param("79211234567 ext. 5", "79211234567 ext. 5", id="more than a number"),
        pytest.param("call me", "", id="no number"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_a_country_is_put_before_a_number_that_names_it(text: str, told: str) -> None:
    assert with_countries(text) == told


@pytest.mark.parametrize(
    ("shortest", "kept"), [(phones.SHORTEST_GUESSED, True), (0, False)], ids=["guarded", "control"]
)
def test_no_country_is_put_before_a_number_that_is_valid_at_home(
    monkeypatch: pytest.MonkeyPatch, shortest: int, kept: bool
) -> None:
    """A Mexican number of ten digits, which would be a German one."""
    monkeypatch.setattr(phones, "SHORTEST_GUESSED", shortest)
    assert (with_countries("494 730 1413") == "494 730 1413") is kept


def test_fields_of_several_numbers_are_joined_number_by_number() -> None:
    fields = ["+420 777 123 456, +421 905 123 456", "00421905123456", "+420 602 111 222 / +420777123456", ""]
    assert joined(fields) == "+420 777 123 456, +421 905 123 456, +420 602 111 222"
