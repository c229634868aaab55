"""What a message and the news of its delivery are as values of ours (protocols/wazzup.md 3.2 and 3.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.sdk import Delivery, Malformed, Message, iso_time, told_fields, told_text

Fields = Mapping[str, Any]

BY_PHONE = {"whatsapp", "viber"}  # their `chatId` is "digits only, country code, no +" (2.2)
NUMBER = re.compile("[1-9][0-9]{6,14}")
CHANNELS = {
    "whatsapp": "WhatsApp",
    "whatsgroup": "WhatsApp",
    "viber": "Viber",
    "instagram": "Instagram",
    "telegram": "Telegram",
    "telegroup": "Telegram",
    "vk": "VK",
    "avito": "Avito",
    "max": "MAX",
    "maxgroup": "MAX",
}
ID = re.compile("[A-Za-z0-9_.-]{1,64}")
SENT = {"sent", "delivered", "read", "error"}  # `inbound` is no news of a delivery
EDITED = "edited"


def is_message(item: Fields) -> bool:
    """Whether the item says which message it is, and in which chat."""
    return bool(is_named(item) and told_text(item.get("chatId")) and told_text(item.get("chatType")))


def is_delivery(item: Fields) -> bool:
    """Whether the item says of which message it is news, and which."""
    return is_named(item) and item.get("status") in {*SENT, EDITED}


def is_named(item: Fields) -> bool:
    """Whether the item carries a message's id."""
    return ID.fullmatch(told_text(item.get("messageId"))) is not None


def to_message(item: Fields, at: datetime) -> Message:
    """The message of a callback that came ``at``; what was deleted loses its text."""
    chat, kind = told_text(item["chatId"]), told_text(item["chatType"])
    gone, outgoing = item.get("isDeleted") is True, item.get("isEcho") is True
    status, failure = step(item) if outgoing else ("", "")
    return Message(
        id=told_text(item["messageId"]),
        at=moment(item.get("dateTime"), at),
        channel=CHANNELS.get(kind, kind)[:20],
        person=f"{kind}:{chat}"[:200],
        phone=phone_of(item, kind, chat),
        kind=told_text(item.get("type"))[:20] or "text",
        text="" if gone else told_text(item.get("text")),
        url="" if gone else told_text(item.get("contentUri"))[:2000],
        author=told_text(item.get("authorName"))[:200],
        outgoing=outgoing,
        status=status,
        failure=failure,
        edited=item.get("isEdited") is True,
        deleted=gone,
    )


def phone_of(item: Fields, kind: str, chat: str) -> str:
    """The client's number: the chat itself, or what "Telegram, MAX" tell of the contact; empty where none is told."""
    told = chat if kind in BY_PHONE else told_text(told_fields(item.get("contact")).get("phone")).lstrip("+")
    return f"+{told}" if NUMBER.fullmatch(told) else ""


def to_delivery(item: Fields) -> Delivery:
    """The news of a message that went out; "a status may come before you stored the message" (3.1)."""
    status, failure = step(item)
    return Delivery(told_text(item["messageId"]), status or EDITED, failure)


def step(item: Fields) -> tuple[str, str]:
    """How far an outgoing message is, with the code of the error: "keep unknown codes as text"."""
    status = told_text(item.get("status"))
    code = told_text(told_fields(item.get("error")).get("error"))
    return (status if status in SENT else "", re.sub("[^A-Za-z0-9_]", "", code)[:64] if status == "error" else "")


def moment(told: object, at: datetime) -> datetime:
    """The time that is told, "yyyy-mm-ddThh:mm:ss.ms"; else when it came."""
    try:
        return iso_time(told_text(told))
    except Malformed:
        return at
