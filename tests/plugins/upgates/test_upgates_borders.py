"""``;`` is not escaped: no genuine signature may be read again with the borders between the fields moved."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from app.sdk import Claims, Refused
from app.sdk.simulation import Outgoing
from plugins.upgates import schemas
from plugins.upgates.proof import SIGNED
from plugins.upgates.simulator import Simulator

Prove = Callable[..., Claims]
SHIFTS = 5_000
EACH = 25


def shifts(shop: Simulator, in_time: str, count: int) -> Iterator[Outgoing]:
    """Genuine signatures over 3 to 9 parts, dealt out to the fields of every action with the borders moved."""
    dice = random.Random(20300101)
    for _ in range(count // EACH):
        parts = [f"p{dice.randrange(10**6)}" for _ in range(dice.randint(2, 8))] + [in_time]
        genuine = shop._signed("install", {"text": ";".join(parts)}, ("text",))
        signature = json.loads(genuine.body)["signature_v2"]
        for _ in range(EACH):
            action = dice.choice([name for name, lists in SIGNED.items() if len(parts) > len(lists[0])])
            names = dice.choice([names for names in SIGNED[action] if len(names) < len(parts)])
            fields = {"signature_v2": signature, **deal(parts, names, dice)}
            yield Outgoing("POST", f"/upgates/{action}", body=json.dumps(fields).encode())


def deal(parts: Sequence[str], names: Sequence[str], dice: random.Random) -> dict[str, str]:
    """The same parts in the same order under fewer names, so that some field must hold a ``;``."""
    cuts = [0, *sorted(dice.sample(range(1, len(parts)), len(names) - 1)), len(parts)]
    return {name: ";".join(parts[cuts[i] : cuts[i + 1]]) for i, name in enumerate(names)}


def accepted(prove: Prove, requests: Iterator[Outgoing]) -> int:
    count = 0
    for request in requests:
        try:
            prove(request)
        except Refused:
            continue
        count += 1
    return count


def test_5000_moved_borders_are_refused(shop: Simulator, in_time: str, prove: Prove) -> None:
    requests = list(shifts(shop, in_time, SHIFTS))
    assert len(requests) == SHIFTS
    assert accepted(prove, iter(requests)) == 0


def test_control_without_the_check_moved_borders_pass(
    shop: Simulator, in_time: str, prove: Prove, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schemas, "refuse_separator", lambda name, value: None)
    assert accepted(prove, shifts(shop, in_time, 500)) >= 1


@pytest.mark.parametrize("action", ["open", "uninstall", "version"])
def test_an_activation_is_no_other_call(shop: Simulator, in_time: str, prove: Prove, action: str) -> None:
    fields: dict[str, Any] = json.loads(shop.install(time=in_time).body)
    fields["token"] = ";".join(fields[name] for name in ("token", "apiUser", "apiKey", "apiUrl"))
    with pytest.raises(Refused, match="semicolon_in_token"):
        prove(Outgoing("POST", f"/upgates/{action}", body=json.dumps(fields).encode()))


@pytest.mark.parametrize("name", ["token", "apiUser", "apiKey", "apiUrl", "time"])
@pytest.mark.parametrize(
    "spoiled", ["a;b", "a\nb", "a\x00b", "a\x7fb", "", 7, None, ["a"], {"a": "b"}, True, "x" * 256]
)
def test_a_signed_field_is_plain_text(shop: Simulator, in_time: str, prove: Prove, name: str, spoiled: object) -> None:
    fields = {**json.loads(shop.install(time=in_time).body), name: spoiled}
    with pytest.raises(Refused) as refusal:
        prove(Outgoing("POST", "/upgates/install", body=json.dumps(fields).encode()))
    assert refusal.value.kind == "malformed"
