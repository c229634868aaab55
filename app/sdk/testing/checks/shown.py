"""What leaves the host: no markup of a customer's, and no secret in an answer, a log or a file."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from urllib.parse import quote

from ...people import Person
from ...simulation import Outgoing
from ..case import Case, proofs, served
from ..findings import Broken
from ..market import Market
from ..message import changed, parts

MARKUP = "<img src=x onerror=alert(1)>"
HOSTILE = Person("kit-1", f"Novák {MARKUP}", company=MARKUP, note=MARKUP, email="novak@example.com", url="javascript:0")
SHORTEST = 8


def escaped(market: Market, case: Case) -> None:
    """A person whose every field is markup, and parameters that are markup: no page shows it as such."""
    market.fresh_start()
    market.host.store(market.installation(), HOSTILE)
    action = market.manifest.actions[case.action]
    genuine = market.genuine(case.action)
    hostile = [changed(genuine, name, MARKUP) for name in parts(genuine)]
    for outgoing in [genuine, *found(market), *hostile]:
        got = market.deliver(outgoing)
        if got.media_type == "text/html" and MARKUP.encode() in got.body:
            raise Broken(f"{action.name} with markup in what it shows", "the page has it unescaped")
        if got.body[:1] in (b"{", b"[") and got.media_type == "text/html":
            raise Broken(action.name, "it answers JSON as text/html, which a browser would read as a page")


def found(market: Market) -> Iterator[Outgoing]:
    """What a person opens who clicks on the hits of a search."""
    for action in served(market.subject):
        if action.hook == "search":
            name = market.played(action.name)[0]
            _, response = market.one.play(name)
            for hit in market.one.hits(response):
                yield market.one.request(hit.entry, **hit.changes)


def kept_secret(market: Market, case: Case) -> None:
    """Every secret of the run, in every spelling, looked for in all that the host said and left behind."""
    market.fresh_start()
    for action in served(market.subject):
        if action.hook != "uninstall":
            market.deliver(market.genuine(action.name))
    secrets = known(market)
    places = {
        f"answer {number}": got.body + repr(dict(got.headers)).encode() for number, got in enumerate(market.answers)
    }
    for place, content in {**places, **market.host.left_behind()}.items():
        for name, secret in secrets.items():
            if any(form in content for form in spelt(secret)):
                raise Broken(f"the secret {name}", f"it is in {place.rpartition(' ')[0] or place}")


def known(market: Market) -> dict[str, str]:
    """The secrets of the run by name."""
    held = market.host.credentials(market.installation())
    signing = {key: str(market.keys[key]) for key in market.one.signing}
    return {name: secret for name, secret in {**signing, **held, **links(market)}.items() if len(secret) >= SHORTEST}


def links(market: Market) -> dict[str, str]:
    """The link secrets that the host gave to the first customer, as its requests bring them."""
    return {
        f"{part} of {name}": str(parts(market.genuine(name))[part]).removeprefix("Bearer ")
        for name, proof in proofs(market.subject)
        if proof.scheme == "link"
        for part in proof.fields
    }


def spelt(secret: str) -> set[bytes]:
    """The secret as it could be written."""
    raw = secret.encode()
    return {raw, quote(secret, safe="").encode(), base64.b64encode(raw).rstrip(b"="), raw.hex().encode()}
