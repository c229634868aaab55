"""Which addresses are genuine: signed for this endpoint, in either spelling, and neither expired nor far ahead."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.sdk import Claims, Expired, Malformed, Refused, Unknown, Unverified
from app.sdk.simulation import Outgoing
from plugins.orlo import proof
from plugins.orlo.simulator import Simulator

Prove = Callable[..., Claims]
KEY = "k" * 43
EXAMPLE = "q=red&expires=1500472622&sig=7c9a0a55dc2d1542ec736b8021f048da114fcba11ca1fb0219c122dfd789e48c"
EXAMPLE_AT = datetime.fromtimestamp(1500472622, UTC)
EXAMPLE_SECRET = {"search_secret": ("changeme!",)}
PROOF_MISSING = "missing or invalid sig or expires params"


def get(query: str, action: str = "search", key: str = KEY) -> Outgoing:
    return Outgoing("GET", f"/orlo/{action}/{key}?{query}")


def sign(query: str, secret: str) -> str:
    """``query`` as it stands, with its signature."""
    return f"{query}&sig={hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()}"


def edited(outgoing: Outgoing, old: str, new: str) -> Outgoing:
    assert old in outgoing.path
    return Outgoing(outgoing.method, outgoing.path.replace(old, new, 1))


def test_the_worked_example(prove: Prove) -> None:
    claims = prove(get(EXAMPLE), secrets=EXAMPLE_SECRET, at=EXAMPLE_AT)
    assert (claims.installation, claims.fields, claims.proof) == ("i1", {"q": "red"}, b"")


@pytest.mark.parametrize("at", [0, 5, 17, 30, 60, 92], ids=str)
def test_the_worked_example_with_one_letter_changed(prove: Prove, at: int) -> None:
    spoiled = EXAMPLE[:at] + chr(ord(EXAMPLE[at]) ^ 1) + EXAMPLE[at + 1 :]
    with pytest.raises(Refused):
        prove(get(spoiled), secrets=EXAMPLE_SECRET, at=EXAMPLE_AT)


def test_control_a_verifier_that_believes_everything_is_noticed(prove: Prove, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "check_hmac_hex", lambda given, message, secrets: b"")
    spoiled = EXAMPLE.replace("q=red", "q=rec")
    assert prove(get(spoiled), secrets=EXAMPLE_SECRET, at=EXAMPLE_AT).fields == {"q": "rec"}


@pytest.mark.parametrize("spelling", ["php", "rfc3986"])
@pytest.mark.parametrize(
    "words",
    ["jan novak", "a+b~c*(d)", "Žofie Šťastná", "100% & more = ;#?/\\'\"", "Ωμέγα 漢字 😀", "~%7E+%2B ", "", " "],
    ids=["space", "marks", "czech", "reserved", "scripts", "escapes", "empty", "blank"],
)
def test_both_spellings_on_the_wire(customer: Simulator, prove: Prove, expires: str, words: str, spelling: str) -> None:
    assert prove(customer.search(q=words, expires=expires, spelling=spelling)).fields == {"q": words}
    with pytest.raises(Unverified, match="signature_mismatch"):
        prove(edited(customer.search(q=words, expires=expires, spelling=spelling), "q=", "q=x"))


def test_control_the_spellings_differ(customer: Simulator, expires: str) -> None:
    spelled = {customer.search(q="a b~", expires=expires, spelling=name).path for name in ("php", "rfc3986")}
    assert len(spelled) == 2


@pytest.mark.parametrize("action", ["search", "open"])
@pytest.mark.parametrize("extra", ["agent=7", "a[0]=1&a[1]=2", "b_c="], ids=["flat", "array", "empty"])
def test_further_signed_parameters_are_let_be(
    customer: Simulator, prove: Prove, expires: str, action: str, extra: str
) -> None:
    call = getattr(customer, action)(expires=expires, extra=extra)
    assert prove(call).installation == "i1"
    name = extra.partition("=")[0].replace("[", "%5B").replace("]", "%5D")
    with pytest.raises(Unverified):
        prove(edited(call, f"&{name}=", f"&{name}=x"))


def test_the_order_counts(customer: Simulator, prove: Prove, expires: str) -> None:
    turned = re.sub(r"\?(q=novak)&(expires=\d+)", r"?\2&\1", customer.search(expires=expires).path)
    with pytest.raises(Unverified, match="signature_mismatch"):
        prove(Outgoing("GET", turned))


def test_sig_may_stand_anywhere(prove: Prove) -> None:
    query, _, signature = EXAMPLE.rpartition("&")
    assert prove(get(f"{signature}&{query}"), secrets=EXAMPLE_SECRET, at=EXAMPLE_AT).fields == {"q": "red"}


@pytest.mark.parametrize(
    ("ahead", "refused"),
    [
        (0, ""),
        (-1, "too_old"),
        (-3600, "too_old"),
        (1, ""),
        (3900, ""),
        (3901, "too_far_ahead"),
        (10**9, "too_far_ahead"),
    ],
)
@pytest.mark.parametrize("action", ["search", "open"])
def test_edges_of_expires(
    customer: Simulator, prove: Prove, now: datetime, action: str, ahead: int, refused: str
) -> None:
    call = getattr(customer, action)(expires=str(int(now.timestamp()) + ahead))
    if not refused:
        assert prove(call).installation == "i1"
        return
    with pytest.raises(Expired, match=refused) as refusal:
        prove(call)
    assert refusal.value.message == "request expired"


def test_max_ttl_is_a_setting(customer: Simulator, prove: Prove, expires: str) -> None:
    with pytest.raises(Expired, match="too_far_ahead"):
        prove(customer.search(expires=expires), max_ttl=3599)
    assert prove(customer.search(expires=expires), max_ttl=3600)


def test_control_without_the_check_an_old_address_passes(
    customer: Simulator, prove: Prove, expires: str, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = now + timedelta(days=30)
    with pytest.raises(Expired):
        prove(customer.search(expires=expires), at=later)
    monkeypatch.setattr(proof, "check_time", lambda expires, now, longest: None)
    assert prove(customer.search(expires=expires), at=later)


@pytest.mark.parametrize(("made", "shown"), [("search", "open"), ("open", "search")])
def test_a_signature_belongs_to_its_endpoint(
    customer: Simulator, prove: Prove, expires: str, made: str, shown: str
) -> None:
    fields = {"extra": "id=7"} if made == "search" else {"extra": "q=novak"}
    crossed = edited(getattr(customer, made)(expires=expires, **fields), f"/{made}/", f"/{shown}/")
    with pytest.raises(Refused):
        prove(crossed)


@pytest.mark.parametrize(("made", "shown", "reason"), [("search", "open", "bad_id"), ("open", "search", "bad_q")])
def test_even_one_secret_for_both_does_not_cross(
    prove: Prove, expires: str, made: str, shown: str, reason: str
) -> None:
    same = {"search_secret": "one secret", "open_secret": "one secret"}
    careless = Simulator("http://host.example", {**same, "key": KEY})
    call = getattr(careless, made)(expires=expires, extra={"search": "id=7", "open": "q=novak"}[made])
    with pytest.raises(Malformed, match=reason):
        prove(edited(call, f"/{made}/", f"/{shown}/"), secrets={name: (value,) for name, value in same.items()})


def test_control_without_the_grammar_one_secret_crosses(
    prove: Prove, expires: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(proof.READERS, "open", lambda params: {"id": "7"})
    careless = Simulator("http://host.example", {"search_secret": "one", "open_secret": "one", "key": KEY})
    crossed = edited(careless.search(expires=expires, extra="id=7"), "/search/", "/open/")
    assert prove(crossed, secrets={"open_secret": ("one",)}).fields == {"id": "7"}


@pytest.mark.parametrize("action", ["search", "open"])
def test_a_foreign_parameter_is_refused_although_signed(
    customer: Simulator, prove: Prove, expires: str, action: str
) -> None:
    for extra in {"search": ("id=7", "id[]=7", "id="), "open": ("q=a", "q[a]=7", "q=")}[action]:
        with pytest.raises(Malformed):
            prove(getattr(customer, action)(expires=expires, extra=extra))


@pytest.mark.parametrize("given", [(), ("",), ("", "")], ids=["none", "empty", "two-empty"])
def test_an_empty_secret_is_never_accepted(prove: Prove, expires: str, given: tuple[str, ...]) -> None:
    careless = Simulator("http://host.example", {"search_secret": "", "open_secret": "", "key": KEY})
    for call in (careless.search(expires=expires), careless.open(expires=expires)):
        with pytest.raises(Unverified, match="no_secret") as refusal:
            prove(call, secrets={"search_secret": given, "open_secret": given})
        assert refusal.value.message == "Signature mismatch"


def test_the_previous_secret_counts_too(customer: Simulator, prove: Prove, expires: str, keys: dict[str, Any]) -> None:
    both = {"search_secret": ("a new one", keys["search_secret"])}
    assert prove(customer.search(expires=expires), secrets=both).fields == {"q": "novak"}


@pytest.mark.parametrize("secret", ["x", "~ +%", "Žluťoučký kůň", "a" * 5000], ids=["short", "marks", "czech", "long"])
def test_a_secret_may_be_any_text(prove: Prove, expires: str, secret: str) -> None:
    odd = Simulator("http://host.example", {"search_secret": secret, "open_secret": "other", "key": KEY})
    assert prove(odd.search(expires=expires), secrets={"search_secret": (secret,)}).fields == {"q": "novak"}


@pytest.mark.parametrize("key", ["", "other", KEY[:-1], KEY + "k", KEY.upper()])
def test_an_unknown_path(customer: Simulator, prove: Prove, expires: str, key: str) -> None:
    with pytest.raises(Unknown):
        prove(edited(customer.search(expires=expires), KEY, key))


@pytest.mark.parametrize(
    "query",
    [
        "",
        "q=a",
        "q=a&sig=" + "0" * 64,
        "q=a&expires=1893499200",
        "q=a&expires=1893499200&sig=",
        "q=a&expires=&sig=" + "0" * 64,
        "q=a&expires=1893499200&sig[]=" + "0" * 64,
        "q=a&expires[]=1893499200&sig=" + "0" * 64,
        "q=a&expires=%D9%A1893499200&sig=" + "0" * 64,
        "q=a&expires=+1893499200&sig=" + "0" * 64,
        "q=a&expires=-1&sig=" + "0" * 64,
        "q=a&expires=1e9&sig=" + "0" * 64,
        "q=a&expires=1_893_499_200&sig=" + "0" * 64,
        "q=a&expires=1893499200%0A&sig=" + "0" * 64,
        "q=a&expires=999999999999&sig=" + "0" * 64,
        "q=a&expires=9999999999999999&sig=" + "0" * 64,
        "q=a&expires=1893499200&sig=%FF%FE",
    ],
)
def test_a_missing_or_misshaped_proof(prove: Prove, query: str) -> None:
    with pytest.raises(Malformed) as refusal:
        prove(get(query))
    assert refusal.value.message == PROOF_MISSING


@pytest.mark.parametrize(
    "respell", [str.upper, lambda s: s + "0", lambda s: s[:-1], lambda s: "+" + s, lambda s: "z" * 64]
)
def test_a_signature_has_one_spelling(
    customer: Simulator, prove: Prove, expires: str, respell: Callable[[str], str]
) -> None:
    path, _, signature = customer.search(expires=expires).path.rpartition("sig=")
    with pytest.raises(Unverified) as refusal:
        prove(Outgoing("GET", f"{path}sig={respell(signature)}"))
    assert refusal.value.message == "Signature mismatch"


@pytest.mark.parametrize("again", ["q=b", "q=novak", "expires=1893499200", "sig=" + "0" * 64, "q[]=b"])
def test_a_parameter_given_twice_is_refused(customer: Simulator, prove: Prove, expires: str, again: str) -> None:
    call = customer.search(expires=expires)
    for doubled in (Outgoing("GET", f"{call.path}&{again}"), edited(call, "?", f"?{again}&")):
        with pytest.raises(Malformed):
            prove(doubled)


@pytest.mark.parametrize(
    "query", ["expires={}", "q[]=a&expires={}", "q=%FF&expires={}", "q=" + "a" * 1001 + "&expires={}"]
)
def test_q_must_be_text(prove: Prove, expires: str, keys: dict[str, Any], query: str) -> None:
    with pytest.raises(Malformed, match="bad_q"):
        prove(get(sign(query.format(expires), keys["search_secret"])))


@pytest.mark.parametrize(
    "query",
    ["expires={}", "id=&expires={}", "id[]=7&expires={}", "id=%00&expires={}", "id=" + "a" * 65 + "&expires={}"],
)
def test_id_must_be_text(prove: Prove, expires: str, keys: dict[str, Any], query: str) -> None:
    with pytest.raises(Malformed, match="bad_id"):
        prove(get(sign(query.format(expires), keys["open_secret"]), "open"))


def test_control_characters_are_no_part_of_a_search(customer: Simulator, prove: Prove, expires: str) -> None:
    assert prove(customer.search(q="a\x00b\tc", expires=expires)).fields == {"q": "a b c"}
