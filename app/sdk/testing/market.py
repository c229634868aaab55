"""The market of one suite: the connector's host, and its platform played for two customers, on one clock."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

from ..manifest import Action, Manifest
from ..people import Order, Person
from ..simulation import Call, Outgoing, Reply, Simulator, serving
from .findings import Broken, told
from .forms import Form
from .host import Got, Host, Hosting, Subject
from .message import action_of
from .refusals import is_refusal

# Simulators search for somebody of this name unless they are told otherwise.
SOMEBODY = Person("kit-0", "Jana Nováková", "jana@example.com", "+420601234567", orders=[Order("7", total="1")])
SECOND = timedelta(seconds=1)
CRASHES = {"verify.crashed", "hook.crashed", "edge.crashed", "hook.wrong_result"}
PATIENCE = 20.0  # seconds until a call of the host is let go that nobody answers


class Market:
    """A host with its connector, and the platform's side of two customers, ``one`` and ``other``.

    The clock moves only when it is told to, and only forwards. Secrets of the settings are configured as two values,
    of which the platform uses the previous one: every genuine request shows that it is still accepted.
    """

    def __init__(self, subject: Subject, manifest: Manifest, simulator: type[Simulator], url: str) -> None:
        self.subject, self.manifest, self.url = subject, manifest, url
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.keys, self.fresh = simulator.make_keys(), simulator.make_keys()
        self.one = simulator(url, self.keys)
        self.other = self.one.beside({name: self.fresh[name] for name in simulator.customer})
        self.sides = [self.one, self.other]
        self.ids: dict[int, str] = {}
        self.changes: dict[tuple[int, str], Mapping[str, str]] = {}
        self.answers: list[Got] = []
        self.bend: Reply | None = None
        self.held: threading.Event | None = None
        self.asked = self.waited_out = False
        self.host: Host
        for side in self.sides:
            side.clock = lambda: self.now

    # The platform's side

    def received(self, side: Simulator, call: Call) -> Reply:
        """A call of the host: answered genuinely, bent, or held back until the check lets go."""
        self.asked = True
        if self.held is not None:
            self.waited_out |= not self.held.wait(PATIENCE)
        return self.bend or side.received(call)

    @property
    def settings(self) -> dict[str, Any]:
        """The connector's settings: a secret that requests are signed with is being rotated."""
        given = self.one.settings()
        rotated = {name: [self.fresh[key], self.keys[key]] for name, key in self.rotating().items()}
        return given | rotated

    def rotating(self) -> dict[str, str]:
        """The secret settings that hold a key which requests are signed with, and that key."""
        secret = {setting.name for setting in self.subject.settings if setting.secret}
        given = {name: value for name, value in self.one.settings().items() if name in secret}
        return {name: key for name, value in given.items() for key in self.one.signing if self.keys[key] == value}

    def forger(self, **keys: Any) -> Simulator:
        """The first customer's side with other keys."""
        side = copy.copy(self.one)
        side.keys = {**self.one.keys, **keys}
        return side

    # Genuine requests

    def actions(self) -> dict[str, list[str]]:
        """By action, the simulator's requests that lead there."""
        found: dict[str, list[str]] = {}
        names = [*self.one.actions, *(name for name in self.manifest.actions if name not in self.one.actions)]
        for name in names:
            if hasattr(self.one, name) and self.is_played(name):
                found.setdefault(action_of(self.one.request(name)), []).append(name)
        return found

    def changes_of(self, action: str) -> Mapping[str, str]:
        """The arguments with which the first customer plays an action."""
        return self.changes.get((id(self.one), self.played(action)[0]), {})

    def played(self, action: str) -> list[str]:
        """The simulator's requests that lead to an action. Raises `Broken` when there is none."""
        names = self.actions().get(action)
        if not names:
            raise Broken("the simulator", f"it plays no request for the action {action!r}")
        return names

    def is_played(self, name: str) -> bool:
        """Whether an action of that name is reached over HTTP at all."""
        action = self.manifest.actions.get(name)
        return action is None or bool(action.methods)

    def genuine(self, action: str, side: Simulator | None = None, name: str = "") -> Outgoing:
        """A genuine request for an action, a second after the one before."""
        chosen = side or self.one
        owner = chosen if chosen in self.sides else self.one
        self.now += SECOND
        name = name or self.played(action)[0]
        return chosen.request(name, **self.changes.get((id(owner), name), {}))

    def deliver(self, outgoing: Outgoing) -> Got:
        """Send a request; where the host asks a person first, agree."""
        got = self.send(outgoing)
        action = self.manifest.actions.get(action_of(outgoing))
        if action is None or not action.consent or outgoing.method != "GET" or got.status != 200:
            return got
        page = Form()
        page.feed(got.body.decode("utf-8", "replace"))
        cookie = got.headers.get("set-cookie", "").partition(";")[0]
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie, "Origin": self.url}
        return self.send(Outgoing("POST", page.action, headers, urlencode(page.fields).encode()))

    def send(self, outgoing: Outgoing) -> Got:
        """Send a request and keep the answer."""
        got = self.host.send(outgoing)
        self.answers.append(got)
        return got

    def accepted(self, action: str, got: Got) -> bool:
        """Whether the platform reads this answer as a yes."""
        return got.status < 400 and not is_refusal(self.manifest.actions[action], got)

    def accept(self, action: str, outgoing: Outgoing, said: str) -> Got:
        """A request that must be accepted."""
        got = self.deliver(outgoing)
        if not self.accepted(action, got):
            raise Broken(f"{outgoing.method} {outgoing.path.partition('?')[0]}, {said}", f"refused with {told(got)}")
        return got

    # Installations

    def connect(self, side: Simulator) -> None:
        """Connect a customer as the platform does, or as an operator where it does not."""
        self.now += SECOND
        before = self.host.states()
        install = self.installing()
        if install is not None and install.methods:
            name = self.played(install.name)[0]
            outgoing, response = side.play(name)
            headers = {key.lower(): value for key, value in response.headers.items()}
            got = Got(response.status_code, headers, response.content)
            if install.consent:
                got = self.deliver(outgoing)
            if not self.accepted(install.name, got):
                raise Broken("the simulator's genuine install", f"refused with {told(got)}")
        else:
            side.connected(self.host.add(side.operator_fields() or {}))
        touched = [id for id, state in self.host.states().items() if before.get(id) != state]
        if touched:
            self.ids[id(side)] = touched[0]
        self.hand_out(side)

    def installing(self) -> Action | None:
        """The action that installs."""
        return next((action for action in self.manifest.actions.values() if action.hook == "install"), None)

    def hand_out(self, side: Simulator) -> None:
        """Hand over link secrets that no install reserves: those of a subscription, or of an address to be pasted."""
        install = self.installing()
        wanted = dict.fromkeys(self.manifest.subscription)
        if any(action.keyed for action in self.manifest.actions.values()):
            wanted["path"] = None
        for purpose in wanted.keys() - set(install.reserve if install else ()):
            name = "key" if purpose == "path" else purpose
            side.connected({name: self.host.link(self.ids[id(side)], purpose)})

    def be_found(self, side: Simulator) -> None:
        """Where the platform searches, it finds somebody: a click on a hit opens a person that there is."""
        for action in self.manifest.actions.values():
            if action.hook == "search" and action.methods:
                self.host.store(self.installation(side), SOMEBODY)
                _, response = side.play(self.played(action.name)[0])
                self.changes |= {(id(side), hit.entry): hit.changes for hit in side.hits(response)}

    def fresh_start(self) -> None:
        """Both customers connected, whatever the check before did."""
        states = self.host.states()
        for side in self.sides:
            if states.get(self.ids.get(id(side), "")) != "active":
                self.connect(side)

    def installation(self, side: Simulator | None = None) -> str:
        """The id of a customer's installation."""
        return self.ids.get(id(side or self.one), "")

    # Looking into the host

    @contextmanager
    def nothing_stored(self, said: str) -> Iterator[None]:
        """Whatever happens in the block leaves no row behind."""
        before = self.host.rows()
        yield
        after = self.host.rows()
        differing = [name for name in after if after[name] != before.get(name)]
        if differing:
            raise Broken(said, f"it was refused, and yet these tables changed: {', '.join(differing)}")

    @contextmanager
    def no_crash(self, said: str) -> Iterator[None]:
        """Nothing in the block makes the connector's code fail."""
        before = len(self.host.log())
        yield
        crashes = [event for event in self.host.log()[before:] if event.get("event") in CRASHES]
        if crashes:
            first = crashes[0]
            where = f"{first.get('error', first.get('kind', ''))} at {first.get('where', 'the result of a hook')}"
            raise Broken(said, f"the connector's code crashed: {where}")


@contextmanager
def opened(hosting: Hosting) -> Iterator[Market]:
    """A market with both customers connected. Raises `Broken` when that cannot be."""
    subject = hosting.subject
    if subject.fault or subject.manifest is None or subject.simulator is None:
        raise Broken("the connector", subject.fault or "it has no manifest or no simulator")
    market = Market(subject, subject.manifest, subject.simulator, hosting.url)
    with ExitStack() as stack:
        for side in market.sides:
            side.home = stack.enter_context(serving(partial(market.received, side)))
        allowed = allowed_of(market.sides)
        market.host = stack.enter_context(hosting.serve(market.settings, allowed))
        market.host.at(lambda: market.now)
        for side in market.sides:
            market.connect(side)
            market.be_found(side)
        yield market


def allowed_of(sides: Sequence[Simulator]) -> list[str]:
    """The homes that the host may call, by either of loopback's names."""
    ports = [side.home.rpartition(":")[2] for side in sides]
    return [f"{host}:{port}" for port in ports for host in ("127.0.0.1", "localhost")]
