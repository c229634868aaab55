"""The settings, and the reading of what Upgates sends (protocols/upgates.md 1 to 3 and 4.10)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from marshmallow import ValidationError, fields

from app.sdk import Document, Malformed, Setting, Settings, load_public_key, text_field

OFFICIAL_KEY = "https://files.upgates.com/addons/signature/api.signature.pub.key"
LANGUAGES = ("cs", "sk", "en")
LONGEST = {"token": 255, "apiUser": 255, "apiKey": 255, "apiUrl": 255, "time": 40}


def sources(settings: Settings) -> Sequence[str]:
    """Where the public keys come from, as a list."""
    value = settings["public_key"]
    return [value] if isinstance(value, str) else list(value)


def is_url(source: str) -> bool:
    """Whether this source is an address that the host fetches."""
    return source.startswith(("https://", "http://"))


def key_at(url: str) -> Document:
    """The document at such an address; a page in its place, say of a proxy, is none."""
    return Document(url, is_key)


def is_key(content: bytes) -> bool:
    """Whether this is a public key that we can use."""
    try:
        load_public_key(content)
    except ValueError:
        return False
    return True


def read_local(source: str) -> bytes:
    """PEM text as bytes, or the content of the file; raises `OSError`."""
    return source.encode() if "-----BEGIN" in source else Path(source).read_bytes()


def check_sources(value: Any) -> None:
    """Every source must be text, and what can be read at once a public key; `ValidationError` otherwise."""
    try:
        if not value or not all(isinstance(source, str) for source in value):
            raise ValueError("write PEM text, a file's path, an https address, or a list of these")
        for source in sources({"public_key": value}):
            if not is_url(source):
                load_public_key(read_local(source))
    except (OSError, TypeError, ValueError) as error:
        raise ValidationError(f"No public key can be read here: {error}") from None


SETTINGS = (
    Setting(
        "signature_token",
        fields.String(),
        "The add-on's signature token: Marketplace, add-on detail, Add-on Development.",
        required=True,
        secret=True,
    ),
    Setting(
        "public_key",
        fields.Raw(load_default=OFFICIAL_KEY, validate=check_sources),
        "Upgates' public key: PEM text, a file's path or an https address; one value or a list.",
    ),
)


def signed_value(body: Mapping[str, Any], name: str) -> str:
    """The raw decoded text of one signed field, in which nothing can blur the fields' borders; `Malformed` else."""
    if name == "version":
        return version_of(body)
    value = text_field(body, name, longest=LONGEST[name])
    refuse_separator(name, value)
    return value


def refuse_separator(name: str, value: str) -> None:
    """``;`` "is not escaped": an activation would verify as an opening whose token holds the rest (6.3)."""
    if ";" in value:
        raise Malformed(f"semicolon_in_{name}")


def version_of(body: Mapping[str, Any]) -> str:
    """The add-on's version: "Accept int or numeric string" (1.4), at most 9 digits; any other text counts as none."""
    value = body.get("version", "")
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise Malformed("bad_version")
    return str(value) if re.fullmatch("[0-9]{1,9}", str(value)) else ""


def language_of(body: Mapping[str, Any]) -> str:
    """Unsigned, "so only ever a whitelist value, default cs" (section 2)."""
    value = body.get("current_admin_language")
    return value if isinstance(value, str) and value in LANGUAGES else "cs"
