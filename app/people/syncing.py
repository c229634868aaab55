"""One page of a sync: people, merges, orders and deletions, each in its turn, inside the caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import update
from sqlalchemy.orm import Session

from app.people import departed, early, keeping, orders
from app.people.keeping import Held
from app.people.models import PersonRow
from app.people.orders import Facts, facts_of
from app.people.rows import to_storable, to_storable_id, to_storable_order, to_storable_order_id
from app.sdk import Batch, Order, Person


def apply(session: Session, workspace_id: str, source: str, batch: Batch, *, later: bool = False) -> tuple[int, int]:
    """Write the batch; returns how many people are new and how many were held. ``later`` as of `mirror.apply`."""
    page = _Page(session, workspace_id, source, batch)
    counted = page.put_people(later=later)
    page.follow_merges()
    page.upsert_orders()
    page.keep_early(waits=batch.early, over=batch.live)
    page.delete_gone()
    return counted


class _Page:
    """A batch as it can be stored, and what the mirror holds of the people it names."""

    def __init__(self, session: Session, workspace_id: str, source: str, batch: Batch) -> None:
        self.session, self.workspace_id, self.source = self.place = (session, workspace_id, source)
        latest = {person.external_id: person for person in map(to_storable, batch.people)}
        buyers = _newest(map(to_storable, batch.buyers))
        told_orders = [(to_storable_id(id), to_storable_order(order)) for id, order in batch.orders]
        # What came before its people is older than what comes with them.
        self.orders = early.take(*self.place, latest.keys()) + told_orders
        self.merged = [(to_storable_id(old), to_storable_id(new)) for old, new in batch.merged]
        self.gone = [to_storable_id(id) for id in batch.gone]
        # One without an id of its own is not told by it.
        self.gone_orders = {to_storable_order_id(id) for id in batch.gone_orders} - {""}
        self.held = self._held(self._named() | latest.keys() | buyers.keys())
        gone = departed.known(session, workspace_id, source, latest.keys() | buyers.keys())
        self.back = gone & latest.keys()
        told = {id: one for id, one in buyers.items() if id not in gone and self._may_tell(one)}
        self.by_order = told.keys() - latest.keys()
        latest = told | latest
        self.people: list[Person] = [latest[id] for id in sorted(latest)]

    def _may_tell(self, buyer: Person) -> bool:
        """Whether what an order tells is the best that is known: whoever is in a list of customers is known better."""
        one = self.held.get(buyer.external_id)
        return one is None or (one.by_order and one.updated_at <= buyer.updated_at)

    def _named(self) -> set[str]:
        pairs = {id for pair in self.merged for id in pair}
        return pairs | {id for id, _ in self.orders} | set(self.gone)

    def _held(self, external_ids: Iterable[str]) -> dict[str, Held]:
        return keeping.held(*self.place, sorted(external_ids))

    def put_people(self, *, later: bool) -> tuple[int, int]:
        """The people, already ranked by the orders that come with them: their terms are written once."""
        departed.lift(self.session, self.workspace_id, self.source, self.back)
        bought: dict[str, list[Order]] = defaultdict(list)
        for id, order in self.orders:
            bought[id].append(order)
        facts = {
            person.external_id: facts_of(
                (order.date for order in bought[person.external_id]), self._facts(person.external_id)
            )
            for person in self.people
        }
        known = [person for person in self.people if person.external_id in self.held]
        self.held |= keeping.put(*self.place, self.people, self.held, facts, self.by_order, later=later)
        return len(self.people) - len(known), len(known)

    def _facts(self, external_id: str) -> Facts:
        one = self.held.get(external_id)
        return one.facts if one else Facts()

    def follow_merges(self) -> None:
        """Where only the old one is held it becomes the new one; where both are, the new one gets its orders."""
        for old, new in self.merged:
            gone = self.held.get(old)
            if gone is None or old == new:
                continue
            if new in self.held:
                orders.move(self.session, gone.id, self.held[new].id)
                keeping.remove(self.session, self.workspace_id, {gone.id: gone.entry})
                self._recall([new])
            else:
                statement = update(PersonRow).where(PersonRow.id == gone.id).values(external_id=new)
                self.session.execute(statement, execution_options={"synchronize_session": False})
                self.held[new] = gone
            del self.held[old]

    def upsert_orders(self) -> None:
        """The orders, under the person that theirs was combined into."""
        now = dict(self.merged)
        placed = [(id if id in self.held else _last(now, id), order) for id, order in self.orders]
        kept = [(id, o) for id, o in placed if id in self.held and o.external_id not in self.gone_orders]
        # An order may have come from page to page under two people: the later counts.
        last = {order.external_id: place for place, (_, order) in enumerate(kept)}
        kept = [(id, o) for place, (id, o) in enumerate(kept) if not o.external_id or last[o.external_id] == place]
        former = self._drop_former({(self.held[id].id, order.number) for id, order in kept})
        orders.upsert(self.session, self.source, [(self.held[id].id, order) for id, order in kept])
        # All of them, not only whose orders are kept: the people were put in with what all orders say.
        self._recall(sorted({id for id, _ in placed if id in self.held} | former))

    def keep_early(self, *, waits: bool, over: bool) -> None:
        """Orders of people who may still come wait for them, until the first pass is over."""
        if over:
            early.forget(*self.place)
        elif waits or self.gone_orders:
            early.drop(*self.place, self.orders, self.gone_orders)
            if waits:
                early.keep(*self.place, [(id, o) for id, o in self.orders if id not in self.held])

    def _drop_former(self, places: set[tuple[int, str]]) -> set[str]:
        """Delete the orders that are no more, or that stood under another person or number; returns whose they were."""
        named = {order.external_id for _, order in self.orders if order.external_id} | self.gone_orders
        known = orders.known(self.session, self.workspace_id, self.source, named)
        former = [(person, owner, number) for person, owner, number in known if (person, number) not in places]
        if former:
            orders.remove(self.session, [(person, number) for person, _, number in former])
            keeping.look_again(self.session, {person for person, _, _ in former})
            self.held |= self._held({owner for _, owner, _ in former})
        return {owner for _, owner, _ in former}

    def _recall(self, external_ids: Sequence[str]) -> None:
        if not external_ids:
            return
        people = {id: self.held[id] for id in external_ids}
        facts = orders.facts(self.session, [one.id for one in people.values()])
        self.held |= keeping.recall(self.session, self.workspace_id, people, facts)

    def delete_gone(self) -> None:
        """The deleted, whatever else the batch says of them; an order that stays does not bring them back."""
        departed.note(self.session, self.workspace_id, self.source, self.gone)
        gone = [self.held[id] for id in self.gone if id in self.held]
        keeping.remove(self.session, self.workspace_id, {one.id: one.entry for one in gone})


def _newest(buyers: Iterable[Person]) -> dict[str, Person]:
    """Each buyer as the newest of its orders tells it, of the same day the later."""
    return {buyer.external_id: buyer for buyer in sorted(buyers, key=lambda buyer: buyer.updated_at)}


def _last(merged: dict[str, str], id: str) -> str:
    """Whom the person became in the end; a circle ends where it began."""
    seen = {id}
    while (new := merged.get(id, id)) not in seen:
        seen.add(new)
        id = new
    return id
