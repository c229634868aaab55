"""The web edge: ``/<connector>/<action>[/<key>]`` read once into an `Inbound`, answered in the platform's shape."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import structlog
from flask import Blueprint, Flask, Response, g, request
from flask_babel import gettext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import RequestEntityTooLarge

from app.core import consent, metrics
from app.core.calls import Crashed, Result
from app.core.pipeline import Request
from app.core.registry import Connector
from app.core.services import Services, services
from app.sdk import Busy, Inbound, Malformed, Page, Refused, Unknown
from app.sdk.manifest import Action, Manifest, RefusalShape

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = structlog.get_logger()
blueprint = Blueprint("marketplaces", __name__)
LARGEST_BODY = 256 * 1024
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class Quarantined(Refused):
    """The connector's code does not run; its addresses still answer."""

    kind = "quarantined"
    status = 503
    message = "The add-on is temporarily unavailable. Please try again later."


class WrongMethod(Refused):
    """The action exists, but not for this method."""

    kind = "method"
    status = 405
    message = "This address does not take such requests."


class NoSuchAction(Unknown):
    """The connector has no such action: 404 whatever the platform's shape says."""

    kind = "no_action"


@blueprint.route("/<connector>/<path:rest>", methods=METHODS)
def edge(connector: str, rest: str) -> Response:
    """One request of a marketplace. Doubled and trailing slashes are served, never redirected."""
    host = services()
    found = host.registry.find(connector)
    name, _, key = "/".join(filter(None, rest.split("/"))).partition("/")
    if found is None:
        return to_refusal(None, None, NoSuchAction("no_connector"))
    action = found.manifest.actions.get(name) if found.manifest else None
    g.language = preferred_language(found.manifest)
    g.ancestors = host.ancestors(found)
    g.theme = found.manifest.theme if found.manifest else None
    try:
        return to_response(serve(host, found, action, key), found, action)
    except Refused as refused:
        return to_refusal(found, action, refused)
    except (DBAPIError, PoolTimeout) as error:
        log.error("database.failed", connector=connector, action=name, kind=type(error).__name__)
        return to_refusal(found, action, Busy("database"))
    except Exception:
        log.exception("edge.crashed", connector=connector, action=name)
        return to_refusal(found, action, Crashed("edge_crashed"))


def serve(host: Services, connector: Connector, action: Action | None, key: str) -> Result | Response:
    """Check the action's policy, then let the pipeline work. Raises `Refused`."""
    if action is None or not action.methods or "/" in key or bool(key) != action.keyed:
        if connector.serving or connector.manifest is not None:
            raise NoSuchAction("no_action")
        raise Quarantined("quarantined")
    method = "GET" if request.method == "HEAD" else request.method
    if method not in action.methods:
        raise WrongMethod("wrong_method")
    if not connector.serving:
        raise Quarantined("quarantined")
    request.max_content_length = action.largest
    inbound = to_inbound(action.name, method, key)
    work = Request(host, connector, action, inbound.received_at)
    try:
        if action.consent:
            return consent.ask(work, inbound) if method == "GET" else consent.take(work, inbound)
        return work.perform(inbound)
    finally:
        # The request itself may say what its sender reads, refused or not.
        g.language = work.language or g.language


def to_inbound(action: str, method: str, key: str) -> Inbound:
    """The request as it came. Raises `Malformed` for a body that is too large."""
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge as error:
        raise Malformed("too_large", "The request is too large.") from error
    return Inbound(
        action=action,
        method=method,
        received_at=services().clock(),
        key=key or None,
        query=request.query_string,
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
    )


def to_response(result: Result | Response, connector: Connector, action: Action | None) -> Response:
    """An answer of the connector, or a page of ours, as an HTTP response."""
    name = action.name if action else ""
    log.info("request.served", connector=connector.name, action=name)
    metrics.requests.labels(connector.name, name, "served").inc()
    if isinstance(result, Response):
        return result
    if isinstance(result, Page):
        return html(services().views[result.view](result.params), result.status)
    g.ancestors = g.ancestors if result.media_type == "text/html" else ()
    return Response(result.body, result.status, dict(result.headers), mimetype=result.media_type)


def to_refusal(connector: Connector | None, action: Action | None, refused: Refused) -> Response:
    """A refusal in the platform's own shape. The reason goes to the log only."""
    manifest = connector.manifest if connector else None
    shape = action.refusal if action else manifest.refusal if manifest else RefusalShape()
    status = (
        refused.status
        if isinstance(refused, NoSuchAction | WrongMethod)
        else shape.status_of(refused.kind, refused.status)
    )
    names = (connector.name if connector else "", action.name if action else "")
    metrics.requests.labels(*names, refused.kind).inc()
    log.info(
        "request.refused",
        connector=names[0],
        action=names[1],
        kind=refused.kind,
        reason=refused.reason,
        status=status,
    )
    g.refused = refused  # for the sandbox, which tells the reason on a developer's own machine
    message = said(refused)
    if shape.media_type == "text/html":
        response = html(services().views["refused"]({"message": message}), status)
    else:
        body = json.dumps(filled(shape.body, message), ensure_ascii=False)
        response = Response(body, status, mimetype=shape.media_type)
    if isinstance(refused, WrongMethod) and action:
        response.headers["Allow"] = ", ".join(action.methods)
    return response


def said(refused: Refused) -> str:
    """The refusal's message in the sender's language."""
    text = str(gettext(refused.message))
    try:
        return text % refused.params if refused.params else text
    except (KeyError, TypeError, ValueError):
        # A translator's slip in a placeholder must not cost the sender the answer.
        return refused.message % refused.params


def filled(template: Any, message: str) -> Any:
    """The manifest's body with the message put in."""
    if isinstance(template, Mapping):
        return {key: filled(value, message) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(value, message) for value in template]
    return template.replace("$message", message) if isinstance(template, str) else template


def html(text: str, status: int = 200) -> Response:
    """A page."""
    return Response(text, status, mimetype="text/html")


def preferred_language(manifest: Manifest | None) -> str:
    """What the sender reads best of what the connector speaks."""
    languages = manifest.languages if manifest else ("en",)
    wanted = (tag.partition("-")[0].lower() for tag in request.accept_languages.values())
    return next((tag for tag in wanted if tag in languages), languages[0])


class OneSlash:
    """Serve doubled slashes as one: platforms join addresses in their own ways, and a redirect would fail them."""

    def __init__(self, wrapped: WSGIApplication) -> None:
        self._wrapped = wrapped

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["PATH_INFO"] = re.sub("/{2,}", "/", environ.get("PATH_INFO", ""))
        return self._wrapped(environ, start_response)


def init_app(app: Flask) -> None:
    """Serves every connector below the app's root; comes before the other parts, since it sets how paths are read."""
    # Flask's documented place for middleware.
    app.wsgi_app = OneSlash(app.wsgi_app)  # type: ignore[method-assign]
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.config["MAX_FORM_PARTS"] = 50
    app.url_map.strict_slashes = False
    app.register_blueprint(blueprint)
    app.register_error_handler(404, lambda error: to_refusal(None, None, NoSuchAction("no_path")))
