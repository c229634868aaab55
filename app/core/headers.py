"""Security headers on every response: who may frame it, what it may load, and that nobody keeps a copy."""

from __future__ import annotations

import secrets

from flask import Flask, Response, g, request

from app.core.services import services


def nonce() -> str:
    """This response's nonce for its own scripts and styles."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    return str(g.nonce)


def protect(response: Response) -> Response:
    """Set the headers; a page is framed by its marketplace's admin alone, everything else by nobody."""
    ancestors = g.get("ancestors", ()) if response.mimetype == "text/html" else ()
    framing = " ".join(ancestors) or "'none'"
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'nonce-{nonce()}'; style-src 'self' 'nonce-{nonce()}'; img-src 'self' data:; "
        f"font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors {framing}"
    )
    if not ancestors:
        response.headers["X-Frame-Options"] = "DENY"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=(), payment=()"
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    if services().public_url.startswith("https:"):
        response.headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    return response


def init_app(app: Flask) -> None:
    """Every response of the app, errors too."""
    app.after_request(protect)
    app.jinja_env.globals["nonce"] = nonce
