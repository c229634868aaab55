"""The marketplace's public key in place of a secret."""

from __future__ import annotations

from marshmallow import ValidationError, fields

from app.sdk import Setting, load_public_key


def check_key(value: str) -> None:
    """Only a public key that can be used passes; `ValidationError` otherwise."""
    try:
        load_public_key(value.encode())
    except ValueError as error:
        raise ValidationError(str(error)) from None


SETTINGS = (
    Setting(
        "public_key",
        fields.String(validate=check_key),
        "The marketplace's public key, as PEM text.",
        required=True,
    ),
)
