"""Forged requests: near misses of a genuine one, none of which may be accepted, crash or leave anything behind."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterable, Iterator
from typing import Any

from ...manifest import Action
from ...promises import SHOWN
from ...simulation import Outgoing
from ..case import Case
from ..findings import Broken, Weaker, told
from ..market import Market
from ..message import BODY, DROPPED, HEADER, KEY, QUERY, changed, doubled, is_json, parts
from ..mutations import sampled, spelling_of, spellings, values
from ..nonsense import BEARERS, BODIES, DEEP, HUGE, QUERIES, TEXTS, WRONG_TYPES
from ..refusals import fits, statuses

Labelled = Iterable[tuple[str, Outgoing]]
MOST = 240  # near misses of one field
FEW = 12  # where each costs a call to the platform
OTHERS = ("", "0", "other", "4102444800", "f" * 64)


def refused(market: Market, case: Case, attempts: Labelled) -> None:
    """Send requests of which none may be accepted, crash or be stored."""
    action = market.manifest.actions[case.action]
    said = f"{case.action}, {case.part or 'as a whole'}"
    with market.no_crash(said), market.nothing_stored(said):
        for label, outgoing in attempts:
            got = market.deliver(outgoing)
            if market.accepted(case.action, got):
                raise Weaker(f"{outgoing.method} {outgoing.path[:120]}, {label}", f"accepted with {told(got)}")
            if got.status >= 500 and not (action.proof and action.proof.scheme == "redeemed"):
                raise Broken(f"{outgoing.method} {outgoing.path[:120]}, {label}", f"crashed with {told(got)}")


def most(market: Market, case: Case) -> int:
    """How many near misses of one field are sent."""
    proof = market.manifest.actions[case.action].proof
    return FEW if proof and proof.scheme == "redeemed" else MOST


def missing(market: Market, case: Case) -> None:
    """Without the field that carries the proof."""
    genuine = market.genuine(case.action)
    refused(market, case, [("the proof is missing", changed(genuine, case.part, DROPPED))])


def garbage(market: Market, case: Case) -> None:
    """Nonsense in the field that carries the proof."""
    genuine = market.genuine(case.action)
    refused(market, case, nonsense(genuine, case.part, most(market, case)))


def nonsense(genuine: Outgoing, part: str, count: int) -> Iterator[tuple[str, Outgoing]]:
    """The request with what a proof can never be."""
    texts: list[Any] = [*TEXTS, *(BEARERS if part.startswith(HEADER) else ())]
    if is_json(genuine) and not part.startswith(HEADER) and part != KEY:
        texts += WRONG_TYPES
    for value in random.Random(len(texts)).sample(texts, min(count, len(texts))):
        if part == KEY and ("/" in str(value) or not str(value).strip()):
            continue
        yield f"the proof is {value!r:.60}", changed(genuine, part, value)


def wrong_secret(market: Market, case: Case) -> None:
    """Signed with a key that is nobody's; or a secret that was given to nobody."""
    proof = market.manifest.actions[case.action].proof
    if proof is not None and proof.scheme in SHOWN:
        for part in proof.fields:
            refused(market, case, [(f"{part} is a stranger's", with_random(market.genuine(case.action), part))])
        return
    genuine, forged = market.genuine(case.action), []
    for key in market.one.signing:
        stranger = market.forger(**{key: strange(market, key)})
        outgoing = stranger.request(market.played(case.action)[0], **market.changes_of(case.action))
        forged += [(f"signed with another {key}", outgoing)] if outgoing != genuine else []
    if not forged:
        raise Broken("Simulator.signing", f"with other keys the genuine {case.action} stays the same")
    refused(market, case, forged)


def strange(market: Market, key: str) -> Any:
    """A key that the host never heard of: the fresh ones may be configured already, as the next."""
    if key not in market.rotating().values():
        return market.fresh[key]
    return type(market.one).make_keys()[key]


def with_random(genuine: Outgoing, part: str) -> Outgoing:
    """The request with a secret that nobody was given."""
    token = secrets.token_urlsafe(32)
    scheme = "Bearer " if str(parts(genuine)[part]).startswith("Bearer ") else ""
    return changed(genuine, part, scheme + token)


def bent(market: Market, case: Case) -> None:
    """Every way in which a proof can be almost right: bits, bytes, lengths, case, alphabet, spaces."""
    genuine = market.genuine(case.action)
    text = str(parts(genuine)[case.part])
    prefix = "Bearer " if text.startswith("Bearer ") else ""
    secret = text.removeprefix(prefix)
    near = sampled(spellings(secret, spelling_of(secret)), most(market, case))
    attempts = [
        (label, changed(genuine, case.part, prefix + value))
        for label, value in near
        if is_other(case.part, prefix + value, text)
    ]
    refused(market, case, attempts)


def is_other(part: str, value: str, genuine: str) -> bool:
    """Whether a near miss means something else: a slash around a key is served, and spaces around a header are its."""
    if part == KEY:
        return value.strip("/") != genuine and "/" not in value.strip("/") and bool(value.strip("/"))
    return value != genuine and not (part.startswith(HEADER) and value.strip() == genuine)


def tampered(market: Market, case: Case) -> None:
    """Every single change of a signed field."""
    genuine = market.genuine(case.action)
    refused(market, case, tampering(genuine, case.part, most(market, case), carriers(market, case)))


def carriers(market: Market, case: Case) -> tuple[str, ...]:
    """The fields that carry the proof."""
    proof = market.manifest.actions[case.action].proof
    return proof.fields if proof else ()


def tampering(genuine: Outgoing, part: str, count: int, apart: tuple[str, ...]) -> Iterator[tuple[str, Outgoing]]:
    """The request with one change in what is signed."""
    if part == BODY:
        yield from changed_body(genuine, count)
    elif part == QUERY:
        names = [name for name in parts(genuine) if name not in apart and name != KEY and "." not in name]
        for name in names:
            yield from changed_field(genuine, name, count // len(names))
        path, _, query = genuine.path.partition("?")
        yield "a parameter added", Outgoing(genuine.method, f"{path}?added=1&{query}", genuine.headers, genuine.body)
    else:
        yield from changed_field(genuine, part, count)


def changed_field(genuine: Outgoing, part: str, count: int) -> Iterator[tuple[str, Outgoing]]:
    """The request with another value for a field, and without it."""
    text = str(parts(genuine)[part])
    for label, value in sampled(values(text), count):
        if value != text:
            yield f"{part} {label} {value!r:.60}", changed(genuine, part, value)
    yield f"{part} missing", changed(genuine, part, DROPPED)


def changed_body(genuine: Outgoing, count: int) -> Iterator[tuple[str, Outgoing]]:
    """The request with one bit of its body another, a byte more or less, and rewritten to mean the same."""
    body = genuine.body
    for at in range(0, len(body), max(1, len(body) // count)):
        flipped = body[:at] + bytes([body[at] ^ 1 << at % 8]) + body[at + 1 :]
        yield f"body bit flipped at {at}", changed(genuine, BODY, flipped)
    for label, other in (("grown", body + b" "), ("cut", body[:-1]), ("empty", b""), ("before", b" " + body)):
        yield f"body {label}", changed(genuine, BODY, other)
    if is_json(genuine):
        yield "body written otherwise", changed(genuine, BODY, body.replace(b'":', b'" :', 1))


def duplicated(market: Market, case: Case) -> None:
    """A name that stands twice, so that two readers could see two values."""
    genuine = market.genuine(case.action)
    attempts = []
    for other in (*OTHERS, None):
        said = str(parts(genuine)[case.part]) if other is None and case.part in parts(genuine) else other or ""
        for name in names_within(genuine, case.part):
            outgoing = doubled(genuine, name, said)
            attempts += [(f"{name} twice, first {said!r:.40}", outgoing)] if outgoing else []
    refused(market, case, attempts)


def names_within(genuine: Outgoing, part: str) -> list[str]:
    """The field itself, or every field of a whole."""
    if part in (QUERY, BODY):
        return [name for name in parts(genuine) if name != KEY and not name.startswith(HEADER) and "." not in name]
    return [part]


def malformed(market: Market, case: Case) -> None:
    """Bodies and queries that mean nothing, where a request was expected."""
    genuine = market.genuine(case.action)
    path = genuine.path.partition("?")[0]
    if genuine.method == "GET":
        attempts = [(f"?{query[:40]}", Outgoing("GET", f"{path}?{query}", genuine.headers)) for query in QUERIES]
    else:
        bodies = [body for body in (*BODIES, *DEEP, HUGE) if body != b"{}"]
        attempts = [(f"body {body[:40]!r}", changed(genuine, BODY, body)) for body in bodies]
    refused(market, case, attempts)


def shaped(market: Market, case: Case) -> None:
    """A refusal in the declared shape, with a declared status."""
    action, genuine = market.manifest.actions[case.action], market.genuine(case.action)
    attempts = [changed(genuine, BODY, b"{") if genuine.method == "POST" else without_query(genuine)]
    attempts += [changed(genuine, part, "nonsense") for part in carriers(market, case)]
    for outgoing in attempts:
        got = market.send(outgoing)
        if not market.accepted(case.action, got):
            check_shape(action, got, outgoing)


def without_query(outgoing: Outgoing) -> Outgoing:
    """The bare address."""
    return Outgoing(outgoing.method, outgoing.path.partition("?")[0], outgoing.headers, outgoing.body)


def check_shape(action: Action, got: Any, outgoing: Outgoing) -> None:
    """What the manifest says of refusals holds of this one."""
    said = f"{outgoing.method} {outgoing.path[:120]}"
    if got.media_type != action.refusal.media_type:
        raise Broken(said, f"refused as {got.media_type}, declared is {action.refusal.media_type}")
    if action.refusal.media_type != "text/html" and not fits(action.refusal.body, got.json):
        raise Broken(said, f"refused with {told(got)}, declared is {dict(action.refusal.body)}")
    if got.status >= 500:
        raise Broken(said, f"refused with {got.status}, which asks the platform to come again")
    if got.status not in statuses(action):
        raise Broken(said, f"refused with {got.status}, declared are {sorted(statuses(action))}")


def methods(market: Market, case: Case) -> None:
    """Any other method is refused as such."""
    action, genuine = market.manifest.actions[case.action], market.genuine(case.action)
    for method in sorted({"GET", "POST", "PUT", "DELETE", "PATCH"} - set(action.methods)):
        got = market.send(Outgoing(method, genuine.path, genuine.headers, genuine.body))
        if got.status != 405:
            raise Broken(f"{method} {genuine.path[:120]}", f"answered with {told(got)} instead of 405")
