// The played admin: sends what was clicked, shows what the stage rendered of it, and asks what became of it.
(() => {
  "use strict";
  const PAUSE = 1500;
  const $ = (selector) => document.querySelector(selector);
  let news = 0;
  let busy = false;
  let awaited = "";

  // What the stage rendered and escaped; no script in it would run.
  const put = (place, html) => place && place.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);

  async function play(action, scenario = "genuine", changes = {}) {
    if (busy) return;
    busy = true;
    document.body.setAttribute("aria-busy", "true");
    try {
      const asked = $("#ask");
      if (asked && asked.dataset.action === action && !(asked.dataset.asks in changes)) {
        changes = { ...changes, [asked.dataset.asks]: $("#asked").value };
      }
      const headers = { "Content-Type": "application/json" };
      const reply = await fetch(`/_play/${action}`, { method: "POST", headers, body: JSON.stringify({ scenario, changes }) });
      tell(action, scenario, await reply.json());
    } catch (error) {
      tell(action, scenario, { problem: `The sandbox does not answer (${error.message}). Is the host still running?` });
    }
    busy = false;
    document.body.removeAttribute("aria-busy");
    await look();
  }

  function tell(action, scenario, told) {
    document.querySelectorAll("[data-scenario]").forEach((button) => {
      const played = button.dataset.action === action && button.dataset.scenario === scenario;
      button.classList.toggle("played", played);
    });
    if (told.problem) {
      $("#verdict").replaceChildren(text("h2", "This could not be played"), text("p", told.problem));
      return;
    }
    put($("#verdict"), told.html.verdict);
    put($("#wire"), told.html.wire);
    if (told.html.hits) put($("#hits"), told.html.hits);
    show(told.page, told.tab);
    // A page that waits for a person: the step is done when somebody is connected.
    if (told.tab && document.body.dataset.served === "False") awaited = action;
    else if (scenario === "genuine") advance(action);
  }

  function text(name, words) {
    const element = document.createElement(name);
    element.textContent = words;
    return element;
  }

  // A page of ours opens in the frame; one that no admin may frame is left to the person's own click.
  function show(page, tab) {
    const own = $("#own");
    if (!page) return;
    own.hidden = false;
    own.classList.toggle("wanted", tab);
    own.firstElementChild.href = page;
    own.firstElementChild.textContent = tab ? "Go on as the person: open the page in a tab of its own" : "Open it in a tab of its own";
    if (tab) return;
    const frame = document.createElement("iframe");
    frame.id = "page";
    frame.title = "The add-on's page";
    frame.src = page;
    $("#frame").replaceChildren(frame);
  }

  // The step is done, and the one after it is the next.
  function advance(action) {
    const steps = [...document.querySelectorAll("[data-step]")];
    const at = steps.findIndex((step) => step.dataset.step === action);
    if (at < 0) return;
    steps[at].classList.add("done");
    point(steps[at + 1]);
  }

  function point(next) {
    document.querySelectorAll("[data-step]").forEach((step) => step.removeAttribute("aria-current"));
    if (next) next.setAttribute("aria-current", "step");
    $("#tells").hidden = !next;
    $("#end").hidden = Boolean(next);
    if (next) $("#tells").textContent = entry(next.dataset.step).title;
  }

  const entry = (action) => $(`.entry[data-action="${action}"]`);

  async function look() {
    try {
      const reply = await fetch(`/_now?after=${news}`);
      const told = await reply.json();
      document.body.dataset.served = told.served ? "True" : "False";
      if (awaited && told.served) {
        advance(awaited);
        awaited = "";
        $("#own").hidden = true;
      }
      if (!$("#now details[open]")) put($("#now"), told.html);
      for (const [number, words] of told.news) {
        news = Math.max(news, number);
        $("#news").prepend(text("li", words));
      }
      while ($("#news").children.length > 6) $("#news").lastElementChild.remove();
    } catch {
      // The next look tells more.
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.step) return entry(button.dataset.step).click();
    document.querySelectorAll(".hits [aria-current]").forEach((hit) => hit.removeAttribute("aria-current"));
    if (button.dataset.changes) button.setAttribute("aria-current", "true");
    if (button.dataset.scenario) play(button.dataset.action, button.dataset.scenario, JSON.parse(button.dataset.changes || "{}"));
  });

  document.addEventListener("submit", (event) => {
    event.preventDefault();
    play(event.target.dataset.action);
  });

  // `#open`, or `#install,search,open:forged`: entries played at once, one after the other. What is not connected yet
  // is connected first.
  async function start() {
    const wanted = decodeURIComponent(location.hash.slice(1)).split(",").filter(Boolean);
    if (wanted.length && document.body.dataset.served === "False" && !wanted[0].startsWith("install") && entry("install")) {
      await play("install");
    }
    for (const one of wanted) await play(...one.split(":"));
    setInterval(() => document.hidden || busy || look(), PAUSE);
  }

  const first = $("[data-step]");
  if (first) point(first);
  // What is connected already need not be connected again.
  if (first && first.dataset.step === "install" && document.body.dataset.served === "True") advance("install");
  start();
})();
