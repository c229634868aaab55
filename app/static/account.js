// The customers' page: spends the ticket, keeps the bearer in memory alone, and shows the fragments that the server renders.
(() => {
  "use strict";
  const main = document.getElementById("main");
  const PAUSE = 150;
  let bearer = "";
  let ticket = "";
  let timer = 0;
  let searching = null;
  let opener = null;
  let wanted = "";

  const find = (selector) => main.querySelector(selector);

  function headers(more) {
    const words = { "X-Stallholder": "1", "Accept-Language": document.documentElement.lang };
    return { ...words, ...(bearer ? { Authorization: `Bearer ${bearer}` } : {}), ...more };
  }

  // The mode stays "cors": only then does the browser name our origin in spite of "no-referrer".
  function post(path, body) {
    return fetch(path, { method: "POST", headers: headers({ "Content-Type": "application/json" }), body: JSON.stringify(body) });
  }

  function say(name, message) {
    const words = document.getElementById(name).content.cloneNode(true);
    const place = words.querySelector("[data-message]");
    if (place) place.textContent = message;
    main.replaceChildren(words);
    settle();
  }

  function settle() {
    main.removeAttribute("aria-busy");
    const heading = find("[role=alert] h1, [role=status] h1");
    // A frame that nobody is in must not take the focus from the page around it.
    if (heading && document.hasFocus()) heading.focus();
  }

  // What the server rendered and escaped; no script in it would run.
  function put(place, html) {
    place.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
  }

  async function load(path, place, signal) {
    let response, html;
    try {
      response = await fetch(path, { headers: headers(), signal });
      html = await response.text();
    } catch (error) {
      if (error.name !== "AbortError") say("offline");
      return false;
    }
    const ours = (response.headers.get("Content-Type") || "").startsWith("text/html");
    if (!ours || response.status >= 500) {
      say("offline");
      return false;
    }
    if (response.status === 401) {
      bearer = "";
      put(main, html);
      settle();
      return false;
    }
    const target = place();
    if (target) put(target, html);
    return target !== null;
  }

  // The ticket is kept until the server took or refused it: without an answer it can be tried again.
  async function enter() {
    let response, told;
    try {
      response = await post("/account/session", { ticket });
      told = await response.json();
    } catch {
      response = null;
    }
    if (!response || response.status >= 500) {
      say("offline");
      return false;
    }
    ticket = "";
    bearer = response.ok ? told.bearer : "";
    if (!response.ok) say("trouble", told.error);
    return response.ok;
  }

  async function overview() {
    main.setAttribute("aria-busy", "true");
    if (ticket && !(await enter())) return;
    if (await load("/account/overview", () => main)) settle();
  }

  // A ticket stands in the fragment, which no server sees; it leaves the address at once.
  function start() {
    ticket = new URLSearchParams(location.hash.slice(1)).get("t") || "";
    if (location.hash) history.replaceState(null, "", location.pathname + location.search);
    overview();
  }

  async function search() {
    const query = find("#q").value.trim();
    if (searching) searching.abort();
    searching = new AbortController();
    const path = `/account/people?q=${encodeURIComponent(query)}`;
    if (await load(path, () => find("#hits"), searching.signal)) find("#stalls").hidden = query !== "";
  }

  function home() {
    wanted = "";
    if (!find("#home")) return;
    find("#home").hidden = false;
    find("#card").hidden = true;
    find("#card").replaceChildren();
    (opener && opener.isConnected ? opener : find("#q")).focus();
  }

  async function card(id) {
    wanted = id;
    const place = () => (wanted === id ? find("#card") : null);
    if (!(await load(`/account/people/${encodeURIComponent(id)}`, place))) return;
    find("#home").hidden = true;
    find("#card").hidden = false;
    scrollTo(0, 0);
    const heading = find("#card h1");
    if (heading) heading.focus({ preventScroll: true });
  }

  async function leave() {
    try {
      const response = await post("/account/leave", {});
      if (!response.ok) throw new Error();
    } catch {
      return say("offline");
    }
    bearer = "";
    say("left");
  }

  main.addEventListener("input", (event) => {
    if (event.target.id !== "q") return;
    clearTimeout(timer);
    timer = setTimeout(search, PAUSE);
  });

  main.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    search();
  });

  main.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if ("person" in button.dataset) {
      opener = button;
      history.pushState({ card: true }, "");
      card(button.dataset.person);
    } else if ("back" in button.dataset) history.back();
    else if ("leave" in button.dataset) leave();
    else if ("again" in button.dataset) overview();
  });

  addEventListener("popstate", () => home());
  // An admin may give the same frame a fresh ticket without loading it anew.
  addEventListener("hashchange", () => {
    if (location.hash) start();
  });
  if (document.prerendering) document.addEventListener("prerenderingchange", start, { once: true });
  else start();
})();
