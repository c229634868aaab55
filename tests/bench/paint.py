"""How soon an opened page shows something: from the click in a played admin to the first paint in its frame.

Beside it stands a page that needs no visit, framed by the same admin and served by the same gunicorn: its click only
sets the frame's address. What is between the two is the signed request, the ticket, the visit and the first fragment.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "stage")]

from demo import Demo, serving_demo  # noqa: E402 - the paths come first

from tests.browser.chromium import BLOCKING, launch  # noqa: E402

QUICK = os.environ.get("QUICK") == "1"
ROUNDS = 5 if QUICK else 15
# Milliseconds since 1970, the clock that a page and its frame share; the frame tells when it painted, and what.
NOTE = """(() => {
  if (self === top) {
    addEventListener("pointerdown", () => { self.pressed = performance.timeOrigin + performance.now(); }, true);
    return;
  }
  self.painted = {};
  const note = (name, at) => { self.painted[name] ??= performance.timeOrigin + at; };
  new PerformanceObserver(list => {
    for (const entry of list.getEntries()) if (entry.name === "first-contentful-paint") note("first", entry.startTime);
  }).observe({type: "paint", buffered: true});
  new MutationObserver(() => {
    if (document.querySelector("main h1, .notice h1")) {
      requestAnimationFrame(() => requestAnimationFrame(() => note("whole", performance.now())));
    }
  }).observe(document, {childList: true, subtree: true});
})()"""
PAINTED = "() => self.painted && self.painted.first && self.painted.whole"


def opened(browser: Browser, address: str) -> Page:
    """The admin, connected, in a profile that has seen nothing of us."""
    context = browser.new_context()
    context.add_init_script(NOTE)
    page = context.new_page()
    page.goto(address)
    return page


def press(page: Page, selector: str) -> tuple[float, float]:
    """Milliseconds from the click to the first paint in the frame, and to the page's own heading."""
    page.locator(selector).click()
    page.locator("#page").wait_for()
    frame = next(frame for frame in page.frames if frame != page.main_frame)
    frame.wait_for_function(PAINTED)
    painted = frame.evaluate("self.painted")
    pressed = page.evaluate("self.pressed")
    page.context.close()
    return painted["first"] - pressed, painted["whole"] - pressed


def still(page: Page, url: str) -> tuple[float, float]:
    """The same for a page without a visit."""
    page.evaluate(
        """url => {
          const button = document.createElement("button");
          button.id = "still";
          button.textContent = "Still";
          button.onclick = () => {
            const frame = document.createElement("iframe");
            frame.id = "page";
            frame.src = url;
            document.querySelector("#frame").replaceChildren(frame);
          };
          document.querySelector("#frame").before(button);
        }""",
        url,
    )
    return press(page, "#still")


def measure() -> list[dict[str, Any]]:
    """Alternating rounds, each in a fresh profile."""
    with tempfile.TemporaryDirectory(prefix="paint-") as folder, ExitStack() as stack:
        demo = stack.enter_context(serving_demo(Demo(Path(folder))))
        demo.connect("upgates")
        browser = launch(stack.enter_context(sync_playwright()), BLOCKING)
        stack.callback(browser.close)
        address, plain = f"{demo.origin('upgates')}/", f"{demo.url}/account/closed/upgates"
        pairs = [
            (press(opened(browser, address), ".entry[data-action=open]"), still(opened(browser, address), plain))
            for _ in range(ROUNDS + 1)
        ][1:]
    names = (
        "first contentful paint of an opened page, from the click",
        "its own heading on the screen, from the click",
    )
    return [row(name, [(ours[place], bare[place]) for ours, bare in pairs]) for place, name in enumerate(names)]


def row(name: str, pairs: list[tuple[float, float]]) -> dict[str, Any]:
    """A line of the table."""
    return {
        "figure": name,
        "ratio": round(statistics.median(ours / bare for ours, bare in pairs), 2),
        "ours_ms": round(statistics.median(ours for ours, _ in pairs), 1),
        "bare_ms": round(statistics.median(bare for _, bare in pairs), 1),
        "rounds": ROUNDS,
    }


if __name__ == "__main__":
    for line in measure():
        print(line)  # noqa: T201 - the table is what this prints
