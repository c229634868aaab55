"""One worker as a process: what `stallholder worker` runs, with a shorter patience for the dead."""

from __future__ import annotations

from datetime import timedelta

from app import create_app
from app.jobs import heartbeats, worker
from app.people import sync

if __name__ == "__main__":
    heartbeats.STALE, worker.BEAT = timedelta(seconds=4), 0.5
    app = create_app()
    sync.init_app(app)
    with app.app_context():
        worker.work()
