"""What the operator sets for RetailCRM, and how its payloads and addresses are read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from marshmallow.fields import List, String
from marshmallow.validate import Regexp

from app.sdk import Inbound, Malformed, Outbound, Setting, Settings, read_form, read_object, text_field

# The vendor's own domains (sheet, section 7).
DOMAINS = (
    "retailcrm.ru retailcrm.pro retailcrm.es retailcrm.io simla.com simla.io simlachat.com simlachat.ru ecomlogic.com"
)
DOMAINS_HELP = """Where accounts may live. 'simla.com' admits one label in front of it (shop.simla.com), never itself.
An entry of three or more labels, or one written '=crm.example', is a self-hosted system: that host alone."""
DOMAIN = Regexp(r"\A=?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*\Z")
CODE = Regexp(r"\A[A-Za-z0-9_-]+\Z")
COUNTRIES = List(String(validate=Regexp(r"\A[A-Z]{2}\Z")), load_default=list)

SETTINGS = (
    Setting("code", String(required=True, validate=CODE), "The module's symbolic code in the partner cabinet.", True),
    Setting("secret", String(required=True), "The module's Secret, shown once its card is saved.", True, secret=True),
    Setting("name", String(load_default="Stallholder"), "The module's name inside the CRM."),
    Setting("logo_url", String(load_default=""), "Absolute address of the module's logo, an SVG."),
    Setting("domains", List(String(validate=DOMAIN), load_default=DOMAINS.split), DOMAINS_HELP),
    Setting("country_codes", COUNTRIES, "ISO 3166 codes of the countries where the module is offered; none: all."),
)


def read_register(request: Inbound) -> tuple[str, str, str]:
    """Token, key and address. Sheet, section 2: one form field ``register`` whose value is a JSON object.

    Nested keys (``register[token]``) and a whole JSON body are read too. Raises `Malformed`.
    """
    if request.body.startswith(b"{"):
        told = read_object(request.body)
    else:
        form = read_form(request.body)
        nested = {name: form.get(f"register[{name}]") for name in ("token", "apiKey", "systemUrl")}
        if "register" in form and any(value is not None for value in nested.values()):
            raise Malformed("register_twice")  # PHP would see another value than we
        told = read_object(form["register"].encode()) if "register" in form else nested
    key = text_field(told, "apiKey", longest=255)
    if re.fullmatch("[\x21-\x7e]+", key) is None:  # it will travel in a header
        raise Malformed("bad_apiKey")
    return text_field(told, "token", empty=True), key, to_address(text_field(told, "systemUrl", longest=255))


def read_activity(form: Mapping[str, str]) -> dict[str, Any]:
    """``active`` (the user's switch), ``freeze`` (the system's block), ``system_url`` (empty: not said).

    Sheet, 4.1: ``activity`` is the JSON text ``{"active": bool, "freeze": bool}``. Raises `Malformed`.
    """
    told = read_object(text_field(form, "activity").encode())
    active, freeze = told.get("active"), told.get("freeze", False)
    if not isinstance(active, bool) or not isinstance(freeze, bool):
        raise Malformed("bad_activity")
    url = text_field({"systemUrl": ""} | dict(form), "systemUrl", longest=255, empty=True)
    return {"active": active, "freeze": freeze, "system_url": to_address(url)}


def to_address(text: str) -> str:
    """The one spelling in which addresses are compared: lower case, no slash at the end (sheet, section 2)."""
    return text.rstrip("/").lower() if text.isascii() else text


def check_address(url: str, settings: Settings, outbound: Outbound) -> str:
    """Say whose host this is (``saas``, ``listed``, ``exempt``), once ``url`` may be called at all.

    The vendor's rules and texts, sheet, section 7. Raises `Malformed`.
    """
    try:
        parts = urlsplit(url)
        exempt, port = outbound.exempts(url), parts.port
    except ValueError as error:
        raise Malformed("system_url", "Incorrect URL.") from error
    kind = "exempt" if exempt else kind_of(parts.netloc, settings["domains"])
    plain_http = exempt and parts.scheme == "http"
    for broken, message in (
        (not parts.hostname, "Incorrect Host URL."),
        (parts.scheme != "https" and not plain_http, "Incorrect protocol. Only https is allowed."),
        ("@" in parts.netloc, "No need to provide authorization data."),
        (port is not None and not exempt, "The port does not need to be specified."),
        (parts.path, "The domain path must be empty."),
        (parts.query, "The query must be blank."),
        (parts.fragment, "The fragment should be blank."),
        (url != f"{parts.scheme}://{parts.netloc}", "Incorrect URL."),
        (not kind, "An invalid domain is specified."),
    ):
        if broken:
            raise Malformed("system_url", message)
    return kind


def kind_of(host: str, domains: Sequence[str]) -> str:
    """``listed``: named itself; ``saas``: one label below a domain of two; empty: a stranger."""
    label, _, parent = host.partition(".")
    for entry in domains:
        if entry.startswith("=") or entry.count(".") > 1:
            if host == entry.removeprefix("="):
                return "listed"
        elif parent == entry and re.fullmatch("[a-z0-9]([a-z0-9-]*[a-z0-9])?", label):
            return "saas"
    return ""
