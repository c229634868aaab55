"""The form of a page, as a browser would send it."""

from __future__ import annotations

from html.parser import HTMLParser


class Form(HTMLParser):
    """A page's form that is sent by POST: its ``action`` and its hidden ``fields``."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the form and what is hidden in it."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and given.get("method", "").lower() == "post":
            self.action = self.action or given.get("action", "")
        elif tag == "input" and given.get("type") == "hidden":
            self.fields.setdefault(given.get("name", ""), given.get("value", ""))
