"""An installation's life: rotated secrets, a second install, leaving twice, a platform that hangs or lies."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from ...errors import Refused
from ...people import Changes
from ...simulation import Reply
from ..case import Case, served
from ..findings import Broken, told
from ..market import SOMEBODY, Market

PAGE = b"<!doctype html><h1>Maintenance</h1>"
LIES: dict[str, Reply] = {
    "an error": Reply(500, b'{"error": "internal"}'),
    "a refusal": Reply(403, b'{"error": "forbidden"}'),
    "a lost login": Reply(401, b"{}"),
    "nothing there": Reply(404, b"{}"),
    "too many calls": Reply(429, b"{}", headers={"Retry-After": "soon"}),
    "a page": Reply(200, PAGE, "text/html"),
    "nothing": Reply(200, b""),
    "null": Reply(200, b"null"),
    "a list": Reply(200, b"[]"),
    "an empty object": Reply(200, b"{}"),
    "half an object": Reply(200, b'{"data": [{"id": '),
    "wrong types": Reply(200, json.dumps({name: [None, {"a": []}, 1.5] for name in ("data", "success")}).encode()),
    "no text": Reply(200, b"\xff\xfe\x00"),
    "a way elsewhere": Reply(302, b"", headers={"Location": "http://169.254.169.254/"}),
}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "pull": {"cursor": ""},
    "lookup": {"query": "novak"},
    "push": {"changes": Changes([SOMEBODY], orders=[(SOMEBODY, order) for order in SOMEBODY.orders]), "memo": ""},
    "reread": {"people": [SOMEBODY.external_id], "orders": [order.number for order in SOMEBODY.orders]},
}


def rotation(market: Market, case: Case) -> None:
    """Every genuine request of the suite is signed with the previous secret; this one with the current."""
    market.fresh_start()
    for name, key in market.rotating().items():
        for action in served(market.subject):
            current = {key: market.fresh[key]}
            if action.proof is not None and action.hook != "uninstall":
                outgoing = market.genuine(action.name, market.forger(**current))
                market.accept(action.name, outgoing, f"signed with the current {name}")


def reinstalled(market: Market, case: Case) -> None:
    """Installed again, with what the platform renews, a customer has one installation still, and it works."""
    market.fresh_start()
    before, anew = market.host.states(), type(market.one).make_keys()
    market.one.keys = {**market.one.keys, **{name: anew[name] for name in market.one.renewed}}
    market.connect(market.one)
    after = market.host.states()
    if after.keys() != before.keys():
        raise Broken("the same customer installed again", "there is one installation more")
    works(market, "after a second install")


def works(market: Market, said: str) -> None:
    """Whatever is no lifecycle call is accepted."""
    for action in served(market.subject):
        if action.hook in ("open", "search", "webhook"):
            market.accept(action.name, market.genuine(action.name), said)


def left(market: Market, case: Case) -> None:
    """Uninstalled, and uninstalled again; then installed anew."""
    market.fresh_start()
    installation = market.installation()
    with market.no_crash("uninstalled twice"):
        market.one.play(market.played(case.action)[0])
        if market.host.states()[installation] == "active":
            raise Broken("a genuine uninstall", "the installation is active still")
        got = market.deliver(market.genuine(case.action))
        if got.status >= 500:
            raise Broken("uninstalled a second time", f"crashed with {told(got)}")
        for action in served(market.subject):
            if action.hook in ("open", "search", "webhook") and not action.unknown:
                got = market.deliver(market.genuine(action.name))
                if market.accepted(action.name, got):
                    raise Broken(f"{action.name} after the uninstall", f"accepted with {told(got)}")
        market.fresh_start()
    works(market, "installed again after an uninstall")


def hangs(market: Market, case: Case) -> None:
    """A platform that answers only once the host has: the host gives up first, and the late answer changes nothing."""
    market.fresh_start()
    outgoing, before = market.genuine(case.action), market.host.rows()
    market.held, market.waited_out = threading.Event(), False
    try:
        with market.no_crash(f"{case.action} while the platform hangs"), ThreadPoolExecutor(1) as threads:
            got = threads.submit(market.deliver, outgoing).result()
    finally:
        market.held.set()
        market.held = None
    if market.waited_out:
        raise Broken(f"{case.action} while the platform hangs", "the host waited on beyond its deadline")
    if not market.accepted(case.action, got) and market.host.rows() != before:
        raise Broken(f"{case.action} while the platform hangs", "it was refused, and yet something was stored")
    recovered(market, case)
    works(market, f"after {case.action} met a platform that hangs")


def recovered(market: Market, case: Case) -> None:
    """The customer tries again: the platform may have done its part of an install that failed with us."""
    if market.manifest.actions[case.action].hook == "install":
        market.connect(market.one)
    market.fresh_start()


def lies(market: Market, case: Case) -> None:
    """Every wrong answer of the platform, while a request is served."""
    for name, reply in LIES.items():
        market.fresh_start()
        outgoing, before = market.genuine(case.action), market.host.rows()
        market.bend, market.asked = reply, False
        said = f"{case.action} while the platform answers with {name}"
        try:
            with market.no_crash(said):
                got = market.deliver(outgoing)
        finally:
            market.bend = None
        if not market.accepted(case.action, got) and market.host.rows() != before:
            raise Broken(said, f"refused with {told(got)}, and yet something was stored")
        if not market.asked:
            return  # the platform is not asked here, so it cannot lie
    recovered(market, case)


def called_lies(market: Market, case: Case) -> None:
    """Every wrong answer of the platform, while the host calls it: a value or a refusal, never another exception."""
    market.fresh_start()
    for name, reply in LIES.items():
        market.bend = reply
        try:
            with suppress(Refused):
                market.host.call(case.part, market.installation(), **ARGUMENTS.get(case.part, {}))
        except Exception as error:
            came = f"{type(error).__name__}: {error}"[:200]
            raise Broken(f"{case.part} while the platform answers with {name}", came) from error
        finally:
            market.bend = None
