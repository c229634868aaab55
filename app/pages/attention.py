"""What needs a person's attention at one installation, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from flask_babel import gettext, lazy_gettext

from app.people import sync_state
from app.people.sync_state import Progress
from app.sdk import State

# An alarm is set where something is found out, deep below; here stands what its reader can do. A test sees that
# every alarm has its mend.
MENDS = {
    "An uninstall was announced, but the shop's credentials still work.": lazy_gettext(
        "If you took the add-on away there, disconnect it here too. Otherwise nothing is left to do."
    ),
    "Somebody else's integration took the place of this one. Connect it again.": lazy_gettext(
        "Connect it once more from %(marketplace)s, if it is to go on here."
    ),
    "The marketplace does not let the add-on in any more. Connect it again.": lazy_gettext(
        "Install the add-on in %(marketplace)s once more, so that it tells us credentials that work."
    ),
    "New credentials were announced, but they do not work. The former ones stay in use.": lazy_gettext(
        "Install the add-on in %(marketplace)s once more, so that it tells us credentials that work."
    ),
}


@dataclass(frozen=True, slots=True)
class Attention:
    """What is wrong and its mend, in the reader's language; ``retry`` offers a button that tries again."""

    text: str
    mend: str
    retry: bool = False


def attention(state: str, alarm: str, sync: Progress, push: Progress | None, marketplace: str) -> Attention | None:
    """The most urgent thing about an installation; None while all is well."""
    if alarm:
        mend = MENDS.get(alarm, lazy_gettext("Look at it in %(marketplace)s, then connect it again."))
        return Attention(str(gettext(alarm)), str(mend) % {"marketplace": marketplace})
    if state == State.PAUSED:
        return Attention(
            gettext(
                "It is switched off in %(marketplace)s, so its customers are not updated.", marketplace=marketplace
            ),
            gettext("Switch the add-on on again in %(marketplace)s.", marketplace=marketplace),
        )
    if state == State.ACTIVE and sync.state == sync_state.STOPPED:
        return stopped(
            gettext("Its customers are not updated any more: %(marketplace)s refused us.", marketplace=marketplace),
            marketplace,
        )
    if state == State.ACTIVE and push is not None and push.state == sync_state.STOPPED:
        return stopped(
            gettext(
                "Your customers are not handed on to it any more: %(marketplace)s refused us.", marketplace=marketplace
            ),
            marketplace,
        )
    return None


def stopped(text: str, marketplace: str) -> Attention:
    """What can be tried once more."""
    mend = gettext(
        "Try again. If it stops once more, install the add-on in %(marketplace)s anew.", marketplace=marketplace
    )
    return Attention(text, mend, retry=True)
