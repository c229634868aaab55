// A visit: spends the ticket, keeps the bearer in memory alone, and lets htmx ask for the visitor's pages with it.
(() => {
  "use strict";
  const main = document.getElementById("main");
  const shell = main.dataset.shell;
  let bearer = "";
  let secret = null;
  let steps = 0;

  const find = (selector) => document.querySelector(selector);

  // Every page has two addresses: the document's, seen in the browser, and the fragment's, which is asked for.
  function toFragment(address) {
    const { pathname, search } = new URL(address, location.href);
    if (!pathname.startsWith(shell)) return pathname + search;
    return `/account/${pathname.slice(shell.length + 1) || "overview"}${search}`;
  }
  const toDocument = (path) => (path.startsWith(shell) ? path : path.replace(/^\/account/, shell));

  function headers() {
    const words = { "X-Stallholder": "1", "Accept-Language": document.documentElement.lang };
    words["X-Installation"] = main.dataset.installation;
    words["X-Time-Zone"] = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
    return { ...words, ...(bearer ? { Authorization: `Bearer ${bearer}` } : {}) };
  }

  function post(path, body) {
    return fetch(path, { method: "POST", headers: { ...headers(), "Content-Type": "application/json" }, body: JSON.stringify(body) });
  }

  function say(name, message) {
    const words = document.getElementById(name).content.cloneNode(true);
    if (message) words.querySelector("[data-message]").textContent = message;
    main.replaceChildren(words);
    settle();
  }

  function settle() {
    main.removeAttribute("aria-busy");
    const heading = find("#main h1");
    // A frame that nobody is in must not take the focus from the page around it.
    if (heading && document.hasFocus()) heading.focus({ preventScroll: true });
  }

  function show() {
    return htmx.ajax("GET", location.pathname + location.search, { target: main });
  }

  // The secret is kept until the server took or refused it: without an answer it can be tried again.
  async function enter() {
    let response, told;
    try {
      response = await post("/account/session", secret);
      told = await response.json();
    } catch {
      response = null;
    }
    if (!response || response.status >= 500) return say("offline");
    secret = null;
    bearer = response.ok ? told.bearer : "";
    if (!response.ok) return say("over", told.error);
    if (told.first) history.replaceState(null, "", `${shell}/welcome`);
    return show();
  }

  const start = () => (secret ? enter() : show());

  // A ticket stands in the fragment, which no server sees, or in the query where a host strips fragments; it leaves the
  // address at once. So does the secret of a sign-in link.
  function open() {
    const query = new URLSearchParams(location.search);
    const hash = new URLSearchParams(location.hash.slice(1));
    const ticket = hash.get("t") || query.get("t");
    secret = ticket ? { ticket } : hash.get("s") ? { link: hash.get("s") } : null;
    query.delete("t");
    if (secret || location.hash) history.replaceState(null, "", location.pathname + (query.size ? `?${query}` : ""));
    start();
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

  async function copy(button) {
    const field = document.getElementById(button.dataset.copy);
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      // A frame may write to the clipboard only where the page around it lets it; a selection is always copied.
      document.execCommand("copy");
    }
    button.classList.add("done");
  }

  document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
    const { request } = ctx;
    delete request.headers["HX-Current-URL"];
    Object.assign(request.headers, headers());
    request.action = toFragment(request.action);
    if (ctx.target === main) main.setAttribute("aria-busy", "true");
  });

  // What is no answer of ours is none; an ended visit says how to go on.
  document.addEventListener("htmx:before:response", (event) => {
    const { ctx } = event.detail;
    const { status, headers: told } = ctx.response;
    const ours = (told.get("Content-Type") || "").startsWith("text/html") && (status < 500 || told.has("HX-Retarget"));
    if (ours && status !== 401) {
      if (ctx.hx.retarget && !find(ctx.hx.retarget)) ctx.hx.retarget = "#main";
      return;
    }
    event.preventDefault();
    if (status !== 401) return say("offline");
    bearer = "";
    say("over");
  });

  // A list that asks for itself again may miss a turn.
  document.addEventListener("htmx:error", ({ detail: { ctx } }) => {
    if (ctx && (ctx.target === main || find("#hits") === ctx.target)) say("offline");
  });

  document.addEventListener("htmx:before:history:update", (event) => {
    const { history: step, response } = event.detail;
    if (response.status >= 400) event.preventDefault();
    else step.path = toDocument(step.path);
    if (step.type === "push") steps += 1;
  });

  // Back to what was found, with its query, where this visit came from there; before htmx follows the link.
  document.addEventListener("click", (event) => {
    if (!steps || !event.target.closest("[data-back]") || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    event.stopPropagation();
    history.back();
  }, true);

  document.addEventListener("htmx:before:history:restore", (event) => {
    event.preventDefault();
    steps = Math.max(0, steps - 1);
    show();
  });

  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    if (ctx.target !== main && ctx.target !== "#main") return main.removeAttribute("aria-busy");
    const spoken = find("#main [lang]");
    if (spoken) document.documentElement.lang = spoken.lang;
    settle();
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if ("leave" in button.dataset) leave();
    else if ("copy" in button.dataset) copy(button);
    else if ("again" in button.dataset) start();
  });

  // An admin may give the same frame a fresh ticket without loading it anew.
  addEventListener("hashchange", () => {
    if (location.hash) open();
  });
  if (document.prerendering) document.addEventListener("prerenderingchange", open, { once: true });
  else open();
})();
