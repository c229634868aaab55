"""``make bench``: what the host adds to the bare work, as ratios measured side by side in alternating rounds.

``SEARCH=1``, ``SYNC=1`` and ``MANY=1`` add the benches of those names, which take their time; ``ONLY=1`` leaves this
one's out.

Each figure is the host's time divided by that of a hand-written Flask view which does the same work in the same
process: verify the same proof, read or write the same kind of row with the same durability, answer the same shape.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib
import json
import os
import secrets
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, redirect_stderr
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from flask import Flask, jsonify, request

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "stage")]

from stage import Stage  # noqa: E402 - the paths come first

from app.people import importing  # noqa: E402

QUICK = os.environ.get("QUICK") == "1"
ROUNDS = 5 if QUICK else 15
REQUESTS = 40 if QUICK else 150
WARM_UP = 5
PEOPLE = 2000


def bare_view(folder: Path, stage: Stage) -> Flask:
    """The baseline: two views that a careful developer would write by hand for one marketplace each."""
    app = Flask("bare")
    upgates, orlo = stage.simulators["upgates"], stage.simulators["orlo"]
    key = load_pem_public_key(upgates.settings()["public_key"].encode())
    token, secret = upgates.keys["signature_token"], orlo.keys["search_secret"].encode()
    store = sqlite3.connect(folder / "bare.db", isolation_level=None, check_same_thread=False)
    store.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")
    store.execute("CREATE TABLE ticket (digest TEXT PRIMARY KEY, shop TEXT, expires REAL)")
    store.execute("CREATE TABLE seen (digest TEXT PRIMARY KEY, action TEXT)")
    store.execute(
        "CREATE TABLE word (workspace TEXT, word TEXT, id INTEGER, name TEXT, PRIMARY KEY (workspace, word, id))"
    )
    workspace = stage.settings["WORKSPACE"]
    store.executemany(
        "INSERT INTO word VALUES (?, ?, ?, ?)",
        [(workspace, word, n, f"Jana Nováková {n}") for n in range(PEOPLE) for word in ("jana", "novakova", str(n))],
    )

    @app.post("/open")
    def open_shop() -> Any:
        body = json.loads(request.get_data())
        signature = base64.b64decode(body["signature_v2"], validate=True)
        key.verify(signature, f"{body['token']};{body['time']};{token}".encode(), PKCS1v15(), SHA256())  # type: ignore[union-attr,call-arg,arg-type]
        ticket = secrets.token_urlsafe(32)
        store.execute("BEGIN IMMEDIATE")
        store.execute("INSERT INTO seen VALUES (?, 'open')", (hashlib.sha256(signature).hexdigest(),))
        store.execute(
            "INSERT INTO ticket VALUES (?, ?, ?)", (hashlib.sha256(ticket.encode()).hexdigest(), body["token"], 0)
        )
        store.execute("COMMIT")
        return jsonify(url=f"https://addon.example/account#t={ticket}", type="iframe")

    @app.get("/search")
    def search() -> Any:
        signed, _, given = request.query_string.decode().rpartition("&sig=")
        if not hmac.compare_digest(hmac.digest(secret, signed.encode(), "sha256").hex(), given):
            return jsonify(status="error"), 403
        word = request.args["q"].lower()
        rows = store.execute(
            "SELECT id, name FROM word WHERE workspace = ? AND word >= ? AND word < ? ORDER BY name LIMIT 20",
            (workspace, word, word + "\U0010ffff"),
        )
        return jsonify(results=[{"id": str(id), "name": name} for id, name in rows])

    return app


def timed(send: Callable[[int], int], start: int) -> float:
    """Seconds for one round of requests."""
    began = time.perf_counter()
    for number in range(start, start + REQUESTS):
        status = send(number)
        assert status == 200, f"a request was answered with {status}"
    return time.perf_counter() - began


def compare(name: str, ours: Callable[[int], int], bare: Callable[[int], int]) -> dict[str, Any]:
    """Alternate rounds of both; the median ratio and each side's median milliseconds a request."""
    for send in (ours, bare):
        for number in range(WARM_UP):
            send(-1 - number)
    pairs = [(timed(ours, turn * REQUESTS), timed(bare, turn * REQUESTS)) for turn in range(ROUNDS)]
    scale = 1000 / REQUESTS
    return {
        "figure": name,
        "ratio": round(statistics.median(one / other for one, other in pairs), 2),
        "ours_ms": round(statistics.median(one for one, _ in pairs) * scale, 2),
        "bare_ms": round(statistics.median(other for _, other in pairs) * scale, 2),
        "rounds": ROUNDS,
    }


def prepare(folder: Path, stack: ExitStack) -> tuple[Stage, Any, Any]:
    """A host with one Upgates shop, one Orlo endpoint and people, and the bare app beside it."""
    stage = Stage(folder / "instance", stack)
    app = stage.make_app()
    orlo = stage.connect_orlo()
    with app.app_context():
        lines = (f'{{"external_id": "{n}", "name": "Jana Nováková {n}"}}' for n in range(PEOPLE))
        file = folder / "people.jsonl"
        file.write_text("\n".join(lines), "utf-8")
        importing.import_file(file, orlo["workspace"])
    stage.settings["WORKSPACE"] = orlo["workspace"]
    client, bare = app.test_client(), bare_view(folder, stage).test_client()
    install = stage.simulators["upgates"].install()
    assert client.post(install.path, data=install.body, headers=dict(install.headers)).status_code == 200
    return stage, client, bare


def measure() -> list[dict[str, Any]]:
    """Every figure."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        stage, client, bare = prepare(Path(name), stack)
        upgates, orlo = stage.simulators["upgates"], stage.simulators["orlo"]
        began = datetime.now(UTC)
        openings = {
            n: upgates.open(time=(began + timedelta(seconds=400 + n)).isoformat(timespec="seconds"))
            for n in range(-WARM_UP, ROUNDS * REQUESTS)
        }
        search = orlo.search(q="nov")
        query = search.path.partition("?")[2]
        return [
            compare(
                "a signed opening (RSA, journal, ticket, one durable commit)",
                lambda n: client.post("/upgates/open", data=openings[n].body).status_code,
                lambda n: bare.post("/open", data=openings[n].body).status_code,
            ),
            compare(
                "a signed search among 2,000 people (HMAC, read only)",
                lambda n: client.get(search.path).status_code,
                lambda n: bare.get(f"/search?{query}").status_code,
            ),
        ]


def main() -> None:
    """Measure what was asked for, print the table and keep it."""
    results = [] if os.environ.get("ONLY") == "1" else measure()
    for name in ("search", "sync", "many", "keystrokes", "paint"):
        if os.environ.get(name.upper()) == "1":
            results += importlib.import_module(name).measure()
    width = max((len(row["figure"]) for row in results), default=0)
    print(f"{'figure'.ljust(width)}  ratio  measured")  # noqa: T201 - the table is what this prints
    for row in results:
        rest = "  ".join(f"{name} {value}" for name, value in row.items() if name not in ("figure", "ratio"))
        print(f"{row['figure'].ljust(width)}  {row['ratio']:5}  {rest}")  # noqa: T201
    file = ROOT / "bench" / "results.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(results, indent=1), "utf-8")


if __name__ == "__main__":
    # The host's log of thousands of requests; what ends the bench is told all the same.
    with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        main()
