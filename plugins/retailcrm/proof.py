"""What proves that a request comes from RetailCRM, and how that is checked."""

from __future__ import annotations

from urllib.parse import urlsplit

from app.sdk import (
    Claims,
    Inbound,
    Installation,
    Installations,
    Settings,
    Unknown,
    check_hmac_hex,
    read_form,
    text_field,
)

from .schemas import read_activity, read_register

LANGUAGES = {"ru": "ru", "pro": "ru", "es": "es"}  # by the account's top-level domain


def install(request: Inbound, settings: Settings) -> Claims:
    """Sheet, section 2: "SHA-256, key = Secret, message = apiKey", hex "lowercase". Raises `Malformed`, `Unverified`.

    The token covers neither time nor ``systemUrl``: the address is claimed as unsigned.
    """
    token, key, url = read_register(request)
    tag = check_hmac_hex(token, key.encode(), settings["secret"])
    return Claims(
        fields={"api_key": key, "system_url": url},
        proof=tag + key.encode(),
        unsigned=url.encode(),
        language=LANGUAGES.get(domain_of(url), ""),
    )


def domain_of(url: str) -> str:
    """The last label of the host, whatever else is wrong with the address; empty when there is no host."""
    try:
        return (urlsplit(url).hostname or "").rpartition(".")[2]
    except ValueError:
        return ""


def open(request: Inbound, installations: Installations) -> Claims:
    """Sheet, 4.3: the browser's POST "with form field clientId". Raises `Malformed`, `Unknown`."""
    found = linked(read_form(request.body), installations)
    return Claims(installation=found.id, language=found.language)


def activity(request: Inbound, installations: Installations) -> Claims:
    """Sheet, 4.1: "knowledge of clientId is the only authentication". Raises `Malformed`, `Unknown`."""
    form = read_form(request.body)
    told, found = read_activity(form), linked(form, installations)
    return Claims(fields=told, installation=found.id, language=found.language)


def linked(form: dict[str, str], installations: Installations) -> Installation:
    """The installation that was handed this ``clientId``. Raises `Malformed`, `Unknown`."""
    found = installations.by_link("client_id", text_field(form, "clientId", longest=100))
    if found is None:
        raise Unknown("client_id", "This account is not connected.")
    return found
