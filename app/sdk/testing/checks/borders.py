"""Genuine requests where they do not belong: another customer, another action, another time, once more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ...errors import Malformed
from ...reading import iso_time, unix_time
from ...simulation import Outgoing
from ..case import Case, proofs
from ..findings import Broken, Weaker, told
from ..market import SECOND, Market
from ..message import BODY, KEY, QUERY, changed, parts, told_in
from .forged import refused

YEAR = timedelta(days=366)


def genuine(market: Market, case: Case) -> None:
    """Every request that the simulator plays for this action."""
    market.fresh_start()
    with market.no_crash(f"a genuine {case.action}"):
        for name in market.played(case.action):
            market.accept(case.action, market.genuine(case.action, name=name), f"a genuine {name}")
            market.fresh_start()


def swapped(market: Market, case: Case) -> None:
    """One customer's request with the other's proof."""
    market.fresh_start()
    mine, theirs = market.genuine(case.action), market.genuine(case.action, market.other)
    value = parts(theirs)[case.part]
    if value == parts(mine)[case.part]:
        return
    refused(market, case, [(f"{case.part} of another customer", changed(mine, case.part, value))])


def expires(market: Market, case: Case) -> None:
    """To the second at both ends of the declared window; where none is declared, a year later."""
    proof = market.manifest.actions[case.action].proof
    market.fresh_start()
    if proof is None or not proof.time:
        genuine = market.genuine(case.action)
        market.now += YEAR
        refused(market, case, [("sent a year after it was made", genuine)])
        return
    late, early = edge(market, case, proof.time, proof.past), edge(market, case, proof.time, proof.past)
    market.now = late[1]
    market.accept(case.action, late[0], f"{proof.past} s after its {proof.time}")
    market.fresh_start()
    market.now = max(market.now, early[1]) + SECOND
    refused(market, case, [(f"more than {proof.past} s after its {proof.time}", early[0])])


def too_early(market: Market, case: Case) -> None:
    """A request from the future: up to the declared lead, and a second more."""
    proof = market.manifest.actions[case.action].proof
    if proof is None or not proof.time:
        return
    market.fresh_start()
    lead = moment_of(market.genuine(case.action), proof.time) - market.now
    ahead = timedelta(seconds=proof.future) - lead
    outgoing = from_ahead(market, case, ahead + SECOND)
    refused(market, case, [(f"{proof.future + 1} s before its {proof.time}", outgoing)])
    outgoing = from_ahead(market, case, ahead)
    try:
        market.accept(case.action, outgoing, f"{proof.future} s before its {proof.time}")
    finally:
        market.now += ahead + SECOND  # what it stored is newer than all that was sent until then


def from_ahead(market: Market, case: Case, ahead: timedelta) -> Outgoing:
    """A genuine request of a platform whose clock is so much ahead of ours."""
    now = market.now
    market.now = now + ahead - SECOND
    try:
        return market.genuine(case.action)
    finally:
        market.now = now


def edge(market: Market, case: Case, time: str, past: int) -> tuple[Outgoing, datetime]:
    """A genuine request, and the last moment at which it counts."""
    outgoing = market.genuine(case.action)
    return outgoing, moment_of(outgoing, time) + timedelta(seconds=past)


def moment_of(outgoing: Outgoing, name: str) -> datetime:
    """The moment that a field tells, in Unix seconds or as ISO 8601."""
    text = str(told_in(outgoing, name))
    for read in (unix_time, iso_time):
        try:
            return read(text).astimezone(UTC)
        except Malformed:
            continue
    raise Broken(f"the field {name!r} of a genuine request", f"{text!r:.60} is no time")


def single_use(market: Market, case: Case) -> None:
    """The same bytes once more: the same answer or a refusal, and nothing new."""
    market.fresh_start()
    outgoing = market.genuine(case.action)
    market.accept(case.action, outgoing, "a genuine request")
    before = market.host.rows()
    market.now += SECOND
    got = market.deliver(outgoing)
    after = market.host.rows()
    if got.status >= 500:
        raise Broken("the same request again", f"crashed with {told(got)}")
    differing = [name for name in after if after[name] != before[name]]
    if differing:
        raise Weaker("the same request again", f"it had another effect, in {', '.join(differing)}")


def own_action(market: Market, case: Case) -> None:
    """A proof of this action at every other one: first one that nobody used, then one that was used here."""
    for name, proof in proofs(market.subject):
        if name == case.action:
            continue
        market.fresh_start()
        for used in (False, True):
            captured = market.genuine(case.action)
            if used:
                market.accept(case.action, captured, "a genuine request")
                market.fresh_start()
            target = market.genuine(name)
            attempts = [disguised(captured, target, market, case, proof.fields)]
            if KEY in parts(captured) or KEY not in proof.fields:
                attempts.append(moved(captured, target))
            for outgoing in attempts:
                got = market.deliver(outgoing)
                if market.accepted(name, got):
                    market.fresh_start()
                    how = "used" if used else "not used yet"
                    raise Weaker(f"the proof of {case.action}, {how}, at {name}", f"accepted with {told(got)}")


def moved(captured: Outgoing, target: Outgoing) -> Outgoing:
    """The captured bytes at another address."""
    address, query = target.path.partition("?")[0], captured.path.partition("?")[2]
    return Outgoing(target.method, address + (f"?{query}" if query else ""), captured.headers, captured.body)


def disguised(captured: Outgoing, target: Outgoing, market: Market, case: Case, fields: tuple[str, ...]) -> Outgoing:
    """The other action's own request with the captured proof, and with what that proof covers."""
    proof = market.manifest.actions[case.action].proof
    carried = proof.fields if proof else ()
    known, wanted = parts(captured), parts(target)
    for at, name in enumerate(fields):
        target = changed(target, name, known[carried[min(at, len(carried) - 1)]])
    for name in proof.signed if proof else ():
        if name in known and name in wanted and name not in (BODY, QUERY, KEY):
            target = changed(target, name, known[name])
    return target


def unsigned(market: Market, case: Case) -> None:
    """A field that is declared unsigned can be changed; the other customer never feels it."""
    market.fresh_start()
    theirs = market.genuine(case.action, market.other)
    before = rows_of(market, market.installation(market.other))
    answers = []
    for label, value in variants(market.genuine(case.action), theirs, case.part):
        market.fresh_start()
        got = market.deliver(changed(market.genuine(case.action), case.part, value))
        if market.accepted(case.action, got):
            if rows_of(market, market.installation(market.other)) != before:
                raise Broken(f"{case.part} {label}", "the other customer's installation changed")
            return
        answers.append(f"{label}: {told(got)}")
    raise Broken(f"{case.part} is declared unsigned", f"no other value of it was accepted; {'; '.join(answers[:3])}")


def variants(mine: Outgoing, theirs: Outgoing, part: str) -> list[tuple[str, object]]:
    """Other values that a platform could send."""
    if part == BODY:
        return [("of another customer", theirs.body), ("with a space", mine.body + b" "), ("empty", b"{}")]
    value, other = parts(mine).get(part), parts(theirs).get(part)
    found: list[tuple[str, object]] = [("of another customer", other)] if other not in (None, value) else []
    if isinstance(value, str):
        found += [("by another name of the host", value.replace("127.0.0.1", "localhost"))]
        found += [("in another case", value.swapcase()), ("longer", f"{value}x"), ("English", "en"), ("number", "2")]
        found += [("turned round", value.replace("true", "false"))]
    if isinstance(value, bool):
        found += [("the opposite", not value)]
    elif isinstance(value, int):
        found += [("greater", value + 1), ("zero", 0)]
    return [(label, one) for label, one in found if one != value]


def rows_of(market: Market, installation: str) -> list[str]:
    """The rows that name an installation."""
    return [row for table in market.host.rows().values() for row in table if installation in row]
