"""Phone numbers: every spelling finds the number, and no other country's."""

from __future__ import annotations

import pytest

from app.people.phones import asked_forms, stored_forms

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


def test_an_extension_is_no_part_of_the_number() -> None:
    assert stored_forms("+420 777 123 456 ext. 5") & set(asked_forms("777123456"))


@pytest.mark.parametrize("text", ["", "n/a", "+", "++", "(", "00", "\0", "\ud800", "٠٠٤٢٠٧٧٧١٢٣٤٥٦", "9" * 10_000])
def test_odd_texts_do_not_crash(text: str) -> None:
    assert all(len(form) <= 64 for form in stored_forms(text) | set(asked_forms(text)))
