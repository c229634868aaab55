"""The sandbox of demo mode: each connector has its marketplace played on an origin of its own, from one start page."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Flask, Response, abort, g, redirect, render_template

from app.core.config import instance_folder
from app.core.services import services
from app.sandbox.places import homes, origin_of, prepare, read
from app.sandbox.stage import run
from app.sandbox.wire import REFUSED
from app.sdk import Refused

__all__ = ["homes", "init_app", "prepare", "run"]

blueprint = Blueprint("sandbox", __name__, url_prefix="/sandbox")


@blueprint.get("/")
def index() -> str:
    """The marketplaces to click through."""
    host = services()
    if not host.demo:
        abort(404)
    looks = read(instance_folder()).get("looks", {})
    titles = {found.name: found.manifest.title for found in host.registry if found.manifest}
    places = [
        {"name": name, "title": titles.get(name, name), "origin": origin, **looks.get(name, {})}
        for name, origin in host.stand_ins.items()
    ]
    return render_template("sandbox/index.html", places=places)


def tell_reason(response: Response) -> Response:
    """Say why a request was refused; only a developer's own machine ever hears it."""
    refused = g.get("refused")
    if isinstance(refused, Refused):
        response.headers[REFUSED] = ascii(f"{refused.kind} {refused.reason}").strip("'\"")
    return response


def init_app(app: Flask) -> None:
    """Adds /sandbox, which is there in demo mode only, and lets each played admin frame its own connector's pages."""
    host = app.extensions["stallholder"]
    app.register_blueprint(blueprint)
    if host.demo:
        app.add_url_rule("/", "start", lambda: redirect("/sandbox/"))
        app.after_request(tell_reason)
        host.stand_ins = {name: origin_of(name, home) for name, home in homes(Path(app.instance_path)).items()}
