"""The settings, and the reading of what Shoptet sends: docs/shoptet.md, the protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from marshmallow import fields, validate

from app.sdk import Malformed, Setting, State, iso_time, read_object, text_field

LEAVING = "addon:uninstall"
STATES: Mapping[str, State] = {"addon:suspend": State.PAUSED, "addon:approve": State.ACTIVE}

CLIENT_ID = fields.String(required=True, validate=validate.Regexp(r"\A[\x21-\x7e]{1,255}\Z"))
SHOP_URL = fields.URL(required=True, schemes={"http", "https"}, require_tld=False)
API_URL = fields.URL(load_default="https://api.myshoptet.com", schemes={"http", "https"}, require_tld=False)

SETTINGS = (
    Setting("client_id", CLIENT_ID, "Your clientID: partner e-shop, API partner, Access to API.", required=True),
    Setting("shop_url", SHOP_URL, "Your partner e-shop, such as https://12345.myshoptet.com.", required=True),
    Setting("api_url", API_URL, "Where Shoptet's API is reached."),
)


@dataclass(frozen=True, slots=True)
class Notice:
    """What a webhook says: something happened in an e-shop, at a time. What happened there is asked of the API."""

    eshop: str
    event: str
    created: datetime

    @property
    def hints(self) -> bool:
        """Whether it is about customers or orders."""
        return self.event.partition(":")[0] in ("customer", "order")


def read_notice(body: bytes) -> Notice:
    """The body of a webhook; raises `Malformed`. Its ``eventInstance`` is not looked at."""
    given = read_object(body)
    eshop = given.get("eshopId")
    if type(eshop) is not int or not 0 < eshop < 10**12:
        raise Malformed("bad_eshopId")
    return Notice(
        eshop=str(eshop),
        event=text_field(given, "event", longest=64),
        created=iso_time(text_field(given, "eventCreated", longest=40)),
    )
