"""Our calls to Wazzup's API v3: connecting, staying connected, and the operator's commands."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path

from app.sdk import (
    Command,
    ConditionUnmet,
    Health,
    Links,
    Option,
    Outbound,
    Response,
    Settings,
    Unverified,
    UpstreamFailed,
)

SUBSCRIPTIONS = {  # "a missing flag counts as false" (protocols/wazzup.md 2.5): all four, every time
    "messagesAndStatuses": True,
    "contactsAndDealsCreation": True,
    "channelsUpdates": True,
    "templateStatus": False,
}
REFUSED = {
    "testpostnotpassed": "Wazzup called this server and did not get the answer 200. Check the public address.",
    "urinotvalid": "Wazzup does not accept the address of this server. Check the public address.",
    "webhooksrequesterror": "Wazzup could not reach this server. Check the public address and its certificate.",
}
SVG = re.compile(
    r"\ufeff?(?:\s++|<\?[^>]*+>|<!--(?:(?!-->).)*+-->|<![^>]*+>)*+<svg[\s/>].*(?:</svg>|/>)(?:\s++|<!--(?:(?!-->).)*+-->)*+",
    re.DOTALL,
)


def call(outbound: Outbound, settings: Settings, key: str, method: str, path: str, body: object = None) -> Response:
    """One call; without a ``key`` no `Authorization` is sent."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return outbound.request(method, settings["api_url"].rstrip("/") + path, headers=headers, json=body)


def connect(outbound: Outbound, settings: Settings, state: str, crm_key: str) -> str:
    """Redeem the ``state`` for an API key (1.7): "success only when 2xx and `data` is a non-empty string".

    Raises `Unverified` when Wazzup does not accept it, else `UpstreamFailed`.
    """
    body = {"state": state, "secret": settings["secret"][0], "crmKey": crm_key, "name": settings["name"]}
    response = call(outbound, settings, "", "POST", "/connect", body)
    if 400 <= response.status < 500 and response.status not in {408, 429}:  # those two do not judge the state
        raise Unverified("connect_refused", "Wazzup did not accept the connection. Press Connect in Wazzup again.")
    answer = response.json() if response.ok else None
    key = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(key, str) or not re.fullmatch(r"[\x21-\x7e]{1,512}", key):
        raise UpstreamFailed("connect_failed")
    return key


def subscribe(outbound: Outbound, settings: Settings, key: str, uri: str) -> None:
    """Give Wazzup our webhook's address (2.5); it sends its test there while the call is open."""
    body = {"webhooksUri": uri, "subscriptions": SUBSCRIPTIONS}
    response = call(outbound, settings, key, "PATCH", "/webhooks", body)
    if not response.ok:
        raise UpstreamFailed("subscribe_failed", REFUSED.get(code_of(response).replace("_", "").lower()))


def health(outbound: Outbound, settings: Settings, key: str, origin: str = "") -> Health:
    """Dead only on 401, "the documented answer for a wrong key" (7); replaced where the webhooks go elsewhere.

    "Other `webhooksUri` than yours -> somebody replaced it": ``origin`` is ours, and empty tells nothing.
    """
    try:
        response = call(outbound, settings, key, "GET", "/webhooks") if key else Response(0)
    except UpstreamFailed:
        return Health.UNSURE
    if response.status == 200 and origin and not is_ours(response, origin):
        return Health.REPLACED
    return {200: Health.ALIVE, 401: Health.DEAD}.get(response.status, Health.UNSURE)


def is_ours(response: Response, origin: str) -> bool:
    """Whether `webhooksUri` lies below ``origin``; an answer that cannot be read says nothing against it."""
    try:
        uri = response.json()["webhooksUri"]
    except (UpstreamFailed, LookupError, TypeError):
        return True
    told = uri.strip().lower() if isinstance(uri, str) else ""
    return not told or told.startswith(origin.rstrip("/").lower() + "/")


def code_of(response: Response) -> str:
    """The error's code (5.5): `error`, or one level deeper; empty when there is none."""
    try:
        error = response.json()["error"]
        code = error if isinstance(error, str) else error.get("code") or error.get("error")
    except (UpstreamFailed, LookupError, TypeError, AttributeError):
        return ""
    return code if isinstance(code, str) and re.fullmatch("[A-Za-z0-9_]{1,64}", code) else ""


def partner(outbound: Outbound, settings: Settings, method: str, path: str, body: object) -> Response:
    """A call with the developer's own key; `ConditionUnmet` without one, `UpstreamFailed` for an error."""
    keys = settings.get("developer_key")
    if not keys:
        raise ConditionUnmet("no_developer_key", "Set developer_key of this connector to your own API key at Wazzup.")
    response = call(outbound, settings, keys[0], method, path, body)
    if response.status >= 400:
        told = {"status": response.status, "code": code_of(response)}
        raise UpstreamFailed("command_refused", "Wazzup refused: %(status)s %(code)s", **told)
    return response


def register(options: Mapping[str, str], settings: Settings, outbound: Outbound, links: Links) -> str:
    """Create or change the WAuth parameters (1.2)."""
    uri = links.to("install")
    body = {"crmCode": settings["crm_code"], "secret": settings["secret"][0], "authRedirectUri": uri}
    partner(outbound, settings, "POST", "/marketplace", body)
    return f"Registered {settings['crm_code']}. Wazzup sends those who press Connect to {uri}"


def brand(options: Mapping[str, str], settings: Settings, outbound: Outbound, links: Links) -> str:
    """Set the public name and the logo, "only before the module was reviewed and published" (1.3)."""
    logo = {"name": Path(options["logo"]).name, "content": base64.b64encode(read_svg(options["logo"])).decode()}
    partner(outbound, settings, "PATCH", "/marketplace", {"crmName": settings["name"], "logo": logo})
    return f"Wazzup now shows the name {settings['name']} and the logo {logo['name']}."


def read_svg(path: str) -> bytes:
    """The file's bytes; `ConditionUnmet` when it is no SVG or larger than 200 KB."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(200 * 1024 + 1)
        if len(content) <= 200 * 1024 and SVG.fullmatch(content.decode()):
            return content
    except (OSError, ValueError) as error:
        raise ConditionUnmet("bad_logo", "The logo cannot be read.") from error
    raise ConditionUnmet("bad_logo", "The logo must be an SVG of at most 200 KB.")


def simulate(options: Mapping[str, str], settings: Settings, outbound: Outbound, links: Links) -> str:
    """Play a customer's Connect (1.4): "do not follow redirects", show what came instead."""
    response = partner(outbound, settings, "POST", "/wauth", {"type": settings["crm_code"]})
    location = next((value for name, value in response.headers.items() if name.lower() == "location"), "")
    body = response.body.decode(errors="replace").replace("\\/", "/")
    found = location or next(iter(re.findall(r"https?://[^\s\"'<>\\]+", body)), "")
    return f"Status: {response.status}\nLocation: {location or 'none'}\nOpen in a browser: {found or 'no link found'}"


COMMANDS = (
    Command("register", "Register this server at Wazzup (POST /v3/marketplace).", register),
    Command("brand", "Send the name and the logo, before the review.", brand, [Option("logo", "An SVG file.", True)]),
    Command("simulate", "Play a customer's Connect and show the link.", simulate),
)
