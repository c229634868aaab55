"""The customers' pages at ``/account/…``, and the views that the core asks for by name."""

from __future__ import annotations

from flask import Flask

from app.core.services import services
from app.pages import account, formats, language, views, workspace


def init_app(app: Flask) -> None:
    """Speaks our languages, serves the pages and hands their views to the core; the host's services come first."""
    language.init_app(app)
    formats.init_app(app)
    app.jinja_env.filters["shops_of"] = workspace.shops_of
    app.register_blueprint(account.blueprint)
    with app.app_context():
        services().views.update(views.VIEWS)
