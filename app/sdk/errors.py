"""The refusals: what a connector raises instead of returning a failure.

    Refused                     something is wrong with this request        400
    ├── Malformed               it cannot be read as the platform's form    400
    ├── Unverified              its proof does not hold                     403
    │   └── Expired             its proof held once                         403
    ├── Replayed                its proof was used for something else       403
    ├── Unknown                 it names nothing we have                    404
    ├── ConditionUnmet          genuine, but the customer must act first    200
    ├── Busy                    the same request is still being worked on   503
    ├── Conflict                genuine, but stands against what we hold    409
    ├── UpstreamFailed          the platform did not answer us well         502
    │   └── Later               it asks us to come again later              503
    └── Stopped                 we are not let in, or not to what we need   403
        └── LoginRefused        it refuses our credentials, perhaps by now  403

Every class carries ``kind`` (the word by which a connector's manifest picks status and body),
``status`` (the answer where the manifest says nothing) and ``message`` (English, shown to the
sender, translated at the edge). ``reason`` is a short stable word for the log: it never reaches
the sender. A message never says what the right proof would have been.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar


class Refused(Exception):
    """A request is refused; raise a subclass.

    ``reason`` goes to the log, ``message`` to the sender with ``params`` put in after translation.
    """

    kind: ClassVar[str] = "malformed"
    status: ClassVar[int] = 400
    message: str = "The request could not be understood."

    def __init__(self, reason: str, message: str | None = None, **params: object) -> None:
        super().__init__(reason)
        self.reason = reason
        self.message = message if message is not None else type(self).message
        self.params = params


class Malformed(Refused):
    """The request cannot be read as what the platform sends."""


class Unverified(Refused):
    """The proof is missing or does not hold."""

    kind = "unverified"
    status = 403
    message = "The signature could not be verified."


class Expired(Unverified):
    """The proof held once, or will hold later, but not now."""

    kind = "expired"
    message = "The request has expired."


class Replayed(Refused):
    """The proof was seen before, for another action or with other content."""

    kind = "replayed"
    status = 403
    message = "The request was already used."


class Unknown(Refused):
    """The request names an installation or a person that does not exist."""

    kind = "unknown"
    status = 404
    message = "Not found."


class ConditionUnmet(Refused):
    """The request is genuine, but the customer must meet a condition first."""

    kind = "condition"
    status = 200
    message = "A condition of the add-on is not met."


class Busy(Refused):
    """The same request is still being worked on; the sender may try again."""

    kind = "busy"
    status = 503
    message = "This is taking longer than usual. Please try again in a moment."


class Conflict(Refused):
    """The request is genuine, but stands against what is held already."""

    kind = "conflict"
    status = 409
    message = "This is already connected elsewhere."


class UpstreamFailed(Refused):
    """The platform could not be reached, was too slow, or answered with an error."""

    kind = "upstream"
    status = 502
    message = "The marketplace did not answer as expected. Please try again."


class Later(UpstreamFailed):
    """The platform is over a limit or out of order: come again at ``at`` (aware), or when we think best."""

    kind = "later"
    status = 503

    def __init__(self, reason: str, at: datetime | None = None) -> None:
        super().__init__(reason)
        self.at = at


class Stopped(Refused):
    """The platform no longer lets us in, or not to what we need: stop, tell the customer, and never try in a loop."""

    kind = "stopped"
    status = 403
    message = "The marketplace does not let the add-on in any more. Connect it again."


class LoginRefused(Stopped):
    """The platform refuses our credentials: one such answer may be an accident, the second in a row is believed.

    What is answered 401 counts as such by itself. Raise it where the platform says so in another way.
    """
