"""A fragment: what the script puts into the document, with the frame that all of a visitor's pages share."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from flask import Response, g, render_template

from app.pages import workspace


def fragment(template: str, **values: Any) -> str:
    """One page of the current visitor, as its ``current_visitor`` left it in ``g``."""
    about = workspace.about(g.visitor)
    return render_template(f"pages/{template}.html", about=about, address=address, **values)


def address(*parts: str) -> str:
    """A page's address in the browser; the overview's when no part is given."""
    return "/".join(
        [f"/account/open/{g.visitor.connector}/{g.visitor.installation}", *(quote(part, safe="") for part in parts)]
    )


def moved(page: str, *parts: str) -> Response:
    """A page that answers a form, under the address that is its own: a reload shows it again."""
    return Response(page, headers={"HX-Replace-Url": address(*parts)})
