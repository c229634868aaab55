"""What the host hands to a hook: small protocols, wired by ``create_app``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from .errors import Malformed, UpstreamFailed
from .people import Hit, Person
from .reading import read_json
from .values import Document, Installation


class Installations(Protocol):
    """Read-only look-up, narrowed to the asking connector."""

    def by_link(self, purpose: str, token: str) -> Installation | None:
        """The installation to which a link secret of ours was given; constant work, by digest."""

    def by_tenant(self, tenant: str) -> Installation | None:
        """The installation with the platform's stable name."""


class Links(Protocol):
    """Addresses of ours and link secrets reserved for the install at hand."""

    public_url: str

    def to(self, action: str, key: str = "") -> str:
        """The absolute address of one of this connector's actions."""

    def token(self, purpose: str) -> str:
        """The link secret reserved under ``purpose`` in the manifest, 256 random bits as URL-safe text."""


@dataclass(frozen=True, slots=True)
class Response:
    """A platform's answer to a call of ours."""

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """True for 2xx."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body as JSON; raises `UpstreamFailed` when it is none."""
        try:
            return read_json(self.body)
        except Malformed as error:
            raise UpstreamFailed("not_json") from error


class Outbound(Protocol):
    """Guarded HTTP: public addresses only, no redirects, no proxies, one total deadline, a size cap."""

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        json: object = None,
        auth: tuple[str, str] | None = None,
        timeout: float = 10.0,
    ) -> Response:
        """One call; redirects are answers. Raises `UpstreamFailed` (refused address, no answer in time, too large).

        ``timeout`` is the whole call in wall-clock seconds; the action's own deadline may be shorter.
        """

    def exempts(self, url: str) -> bool:
        """Whether the operator listed this address's host and port in ``OUTBOUND_ALLOW``."""


class Documents(Protocol):
    """Public documents, kept by the host with their last good copy."""

    def get(self, document: Document) -> Sequence[bytes]:
        """The newest copy, then the one before while both are accepted. Raises `UpstreamFailed` while there is none."""

    def refresh(self, document: Document) -> bool:
        """Fetch again because of a failed check, at most once a minute; true when the document changed."""


class Directory(Protocol):
    """The people of one workspace."""

    def search(self, query: str, limit: int = 20) -> Sequence[Hit]:
        """The best matches for every word of ``query``; empty for a blank one."""

    def person(self, id: str) -> Person | None:
        """One person with orders; None when this workspace has no such person."""

    def by_contact(self, *, email: str = "", phone: str = "") -> Hit | None:
        """The person with this e-mail or this phone, in any spelling."""
