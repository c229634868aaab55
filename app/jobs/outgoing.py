"""The calls of a job: within the platform's limits, with an eye on what it answers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime

from app.jobs import pace
from app.jobs.entrance import Entrance, Held
from app.jobs.trials import MOST_REFUSALS
from app.sdk import Outbound, Response, Stopped, retry_at
from app.sdk.manifest import Limits

OVER_A_LIMIT = (429, 503)


class Metered:
    """An `Outbound` that takes the installation's turn for every call, and comes in by its entrance.

    ``refused``: the last answer was 401. ``held``: no call was made, since no login may fail now. ``wish``: until when
    the platform asked us to wait, if it did.
    """

    def __init__(self, inner: Outbound, entrance: Entrance, limits: Limits, seconds: float) -> None:
        self._inner = inner
        self._entrance = entrance
        self._limits = limits
        self._until = time.time() + seconds
        self._refusals = 0
        self.refused = False
        self.held: Held | None = None
        self.wish: datetime | None = None

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        json: object = None,
        auth: tuple[str, str] | None = None,
        timeout: float = 10.0,
    ) -> Response:
        """See `Outbound.request`; raises `Held`, and `Stopped` instead of a third call after two answered 401."""
        if self._refusals >= MOST_REFUSALS:
            raise Stopped("refused")
        try:
            with (
                pace.slot(self._entrance.installation_id, self._limits, self._until),
                self._entrance.attempt(self._until) as answer,
            ):
                response = self._inner.request(
                    method, url, headers=headers, params=params, form=form, json=json, auth=auth, timeout=timeout
                )
                answer.status = response.status
        except Held as held:
            self.held = held
            raise
        self._note(response)
        return response

    def exempts(self, url: str) -> bool:
        """See `Outbound.exempts`."""
        return self._inner.exempts(url)

    def _note(self, response: Response) -> None:
        self.refused = response.status == 401
        self._refusals = self._refusals + 1 if self.refused else 0
        if response.status in OVER_A_LIMIT:
            self.wish = retry_at(response.headers.get("retry-after", ""), datetime.now(UTC))
