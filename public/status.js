// The status page: asks the node that served it, and redraws. What it says is in words.js.
// All text from the server goes through textContent; styles change by class and attribute only.

import * as words from "./words.js";

const TIMEOUT_MS = 3000;
const NAMESPACES_PER_PAGE = 100;

const byId = (id) => document.getElementById(id);

// ---- What is known ----

/** Clocks: the page's monotonic one for elapsed time, the server's for everything that was observed. */
const known = {
  self: null,
  sync: null,
  drift: null,
  namespaces: null,
  refusal: null,
  unauthorized: false,
  caller: null,
  failed: false,
  answeredAt: null,   // performance.now() of the last answer
  serverTime: null,   // the server's clock then, in ms since 1970
  page: { token: null, first: 1 },
};

function serverNow() {
  if (known.serverTime == null) return Date.now();
  return known.serverTime + (performance.now() - known.answeredAt);
}

function view() {
  const seconds = known.answeredAt == null ? null : (performance.now() - known.answeredAt) / 1000;
  return {
    now: serverNow(),
    self: known.self?.name ?? null,
    sync: known.sync,
    drift: known.drift,
    lost: known.failed ? { seconds } : null,
    refusal: known.refusal,
    unauthorized: known.unauthorized,
  };
}

// ---- Asking ----

/** The answer as { status, date, body }; throws if none came in time. `body` is null unless it is JSON. */
async function ask(path, more = {}) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), TIMEOUT_MS);
  try {
    const answer = await fetch(path, { signal: abort.signal, cache: "no-store", credentials: "same-origin", ...more });
    const text = await answer.text();
    let body = null;
    try { body = JSON.parse(text); } catch { /* not JSON: the status says enough */ }
    return { status: answer.status, date: Date.parse(answer.headers.get("Date") ?? ""), body };
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Asks again `every` ms after each answer; `take` gets the answer, or null if none came. An answer to a path that is
 * no longer wanted is dropped. Returns what asks at once.
 */
function poll(path, every, take) {
  let timer = null;
  let asking = false;
  let again = false;
  async function once() {
    clearTimeout(timer);
    again = asking;
    if (asking) return;
    asking = true;
    const asked = path();
    let answer = null;
    try { answer = await ask(asked); } catch { /* null says it */ }
    asking = false;
    const wanted = asked === path();
    timer = setTimeout(once, wanted && !again ? every : 0);
    if (wanted) {
      take(answer);
      draw();
    }
  }
  once();
  return once;
}

function takeSync(answer) {
  known.failed = answer == null;
  if (answer == null) return;
  known.answeredAt = performance.now();
  known.unauthorized = answer.status === 401;
  known.refusal = null;
  if (answer.status === 200 && Array.isArray(answer.body?.nodes)) {
    known.sync = answer.body;
  } else if (known.unauthorized) {
    forget();
  } else {
    known.refusal = answer.body?.detail ?? `it answered ${answer.status}`;
  }
  // The Date header has whole seconds; the report is exact but may be old. The later one is nearer to now.
  const observed = Date.parse(answer.body?.observed_at ?? "");
  const times = [answer.date, observed].filter((time) => !Number.isNaN(time));
  known.serverTime = times.length ? Math.max(...times) : null;
}

function forget() {
  Object.assign(known, { sync: null, drift: null, namespaces: null, self: null, caller: null });
  known.page = { token: null, first: 1 };
}

function takeIf200(key) {
  return (answer) => {
    if (answer?.status === 200 && answer.body) known[key] = answer.body;
  };
}

function namespacesPath() {
  const query = new URLSearchParams({ page_size: NAMESPACES_PER_PAGE });
  if (known.page.token != null) query.set("page_token", known.page.token);
  return `/v1/namespaces?${query}`;
}

function takeNamespaces(answer) {
  if (answer?.status === 200 && Array.isArray(answer.body?.items)) {
    known.namespaces = answer.body;
  } else if (answer?.status === 400 && known.page.token != null) {
    known.page = { token: null, first: 1 };
  }
}

// ---- Drawing ----

/** Changes the text only if it differs, so that a selection survives the redraw. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function hint(element, text) {
  if (element.title !== (text ?? "")) element.title = text ?? "";
}

function make(tag, className, role) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (role) element.setAttribute("role", role);
  return element;
}

/** Keeps one child of `parent` for each item, in order, by key; `create` makes one, `update` fills it. */
function keyed(parent, items, keyOf, create, update) {
  const old = new Map();
  for (const child of [...parent.children]) old.set(child.dataset.key, child);
  let next = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let child = old.get(key);
    old.delete(key);
    if (!child) {
      child = create(item);
      child.dataset.key = key;
    }
    if (child === next) next = next.nextElementSibling;
    else parent.insertBefore(child, next);
    update(child, item);
  }
  for (const child of old.values()) child.remove();
}

function draw() {
  const now = view();
  const all = words.problems(now);
  drawVerdict(now, all);
  byId("data").classList.toggle("old", words.makesAllOld(all[0]));
  byId("data").hidden = now.unauthorized;
  byId("token").hidden = !now.unauthorized;
  byId("logout").hidden = now.unauthorized || (known.caller?.kind ?? "anonymous") === "anonymous";
  drawFacts(now);
  drawNodes(now);
  drawDrift(now);
  drawNamespaces();
}

const SYMBOLS = { ok: "✓", info: "↻", warn: "!", bad: "✕", wait: "…" };
const ICON_COLOURS = { ok: "1a7f37", info: "0969da", warn: "9a6700", bad: "cf222e", wait: "6e7781" };

let drawnLevel = null;
let spokenKey = null;

function drawVerdict(now, all) {
  const worst = all[0];
  say(byId("sentence"), worst.text);
  keyed(byId("also"), all.slice(1, 6), (problem) => problem.key, () => make("li"), (li, problem) => {
    li.className = problem.level;
    say(li, problem.text);
  });
  byId("also").hidden = all.length < 2;
  if (worst.level !== drawnLevel) {
    drawnLevel = worst.level;
    document.body.dataset.level = worst.level;
    say(byId("symbol"), SYMBOLS[worst.level]);
    byId("icon").href = "data:image/svg+xml," + encodeURIComponent(
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4" cy="4" r="4" `
      + `fill="#${ICON_COLOURS[worst.level]}"/></svg>`);
  }
  // Said aloud only when something else is wrong, not with each second that passes.
  if (worst.key !== spokenKey) {
    spokenKey = worst.key;
    say(byId("spoken"), worst.text);
  }
  const name = now.self ?? location.host;
  document.title = worst.level === "ok" ? `✓ ${name} · Convoy` : `${SYMBOLS[worst.level]} ${worst.text} · ${name}`;
  say(byId("self"), now.self ? `as seen by ${now.self}` : "");
  say(byId("updated"), updatedText());
}

function updatedText() {
  if (known.answeredAt == null) return "not read yet";
  const seconds = Math.floor((performance.now() - known.answeredAt) / 1000);
  return !known.failed && seconds < 2 ? "live" : `read ${words.age(seconds)} ago`;
}

function drawFacts({ sync, now }) {
  const fact = (name, text, title) => {
    say(byId(`fact-${name}`), text);
    hint(byId(`fact-${name}`), title);
  };
  if (!sync) {
    for (const name of ["writable", "in-sync", "exposure", "position", "log", "topology"]) fact(name, "–");
    return;
  }
  fact("writable", words.writableText(sync));
  fact("in-sync", words.inSyncText(sync, now));
  fact("exposure", words.exposureText(sync.loss_exposure));
  fact("position", words.count(sync.position?.index), sync.position && `chain hash ${sync.position.hash}`);
  fact("log", words.logText(sync.log));
  fact("topology", words.topologyText(sync));
}

// Nodes: two rows for each, the second for what does not fit into a cell.

const NODE_CELLS = [
  ["node", "Node"], ["role", "Role"], ["state", "State"], ["since", "Since"],
  ["position", "Position"], ["behind", "Behind"], ["observed", "Observed"],
];
const NUMBER_CELLS = new Set(["position", "behind", "observed"]);

function makeNodeRow(kind) {
  if (kind === "row") {
    const row = make("tr", "node", "row");
    for (const [name, label] of NODE_CELLS) {
      const head = name === "node";
      const cell = make(head ? "th" : "td", name + (NUMBER_CELLS.has(name) ? " number" : ""), head ? "rowheader" : "cell");
      if (head) cell.scope = "row";
      cell.dataset.label = label;
      row.append(cell);
    }
    row.querySelector(".node").append(make("span", "name"), make("span", "address muted"));
    const symbol = make("span", "symbol");
    symbol.setAttribute("aria-hidden", "true");
    row.querySelector(".state").append(symbol, make("span", "word"));
    return row;
  }
  const row = make("tr", "more", "row");
  const cell = make("td", null, "cell");
  cell.colSpan = NODE_CELLS.length;
  cell.append(make("p", "difference"), make("p", "error"), make("progress"), make("p", "full-sync"));
  row.append(cell);
  return row;
}

function moreAbout(node, old) {
  return {
    difference: old ? null : words.difference(node),
    error: old || node.last_error == null ? null : `Last error: ${node.last_error.detail ?? node.last_error}`,
    sync: old ? null : node.full_sync,
  };
}

function drawNodes({ sync, now }) {
  const rows = [];
  for (const node of sync?.nodes ?? []) {
    const more = moreAbout(node, words.isOld(node, now));
    rows.push({ kind: "row", node });
    if (more.difference || more.error || more.sync) rows.push({ kind: "more", node, more });
  }
  keyed(byId("nodes"), rows, (row) => `${row.kind} ${row.node.name}`, (row) => makeNodeRow(row.kind),
    (element, row) => row.kind === "row" ? fillNode(element, row.node, now) : fillMore(element, row));
}

function fillNode(row, node, now) {
  const old = words.isOld(node, now);
  const state = words.stateOf(node, now);
  const cell = (name) => row.querySelector(`.${name}`);
  row.classList.toggle("old", old);
  row.dataset.level = state.level;
  say(cell("name"), node.name);
  say(cell("address"), node.address ?? "address unknown");
  say(cell("role"), (old ? node.configured?.role : node.running?.role) ?? "none");
  say(cell("symbol"), state.symbol);
  say(cell("word"), state.word);
  const write = (name, text, title) => { say(cell(name), text); hint(cell(name), title); };
  const seen = words.observedAge(node, now);
  const observed = seen == null ? "never" : seen < 2 ? "now" : `${words.age(seen)} ago`;
  write("observed", observed, node.observed_at);
  if (old) {
    write("since", "–");
    write("position", "–", node.position && `last seen at ${words.count(node.position.index)}`);
    write("behind", "–");
    return;
  }
  const since = words.secondsSince(node.running?.since, now);
  write("since", since == null ? "–" : `${words.age(since)} ago`, node.running?.since);
  write("position", words.count(node.position?.index), node.position
    && `chain hash ${node.position.hash}; on disk up to ${words.count(node.durable_index)}`);
  write("behind", node.running?.role === "primary" ? "–" : words.behind(node.lag),
    node.lag?.bytes == null ? null : words.bytes(node.lag.bytes));
}

function fillMore(row, { node, more }) {
  for (const name of ["difference", "error"]) {
    const line = row.querySelector(`.${name}`);
    line.hidden = !more[name];
    say(line, more[name] ?? "");
  }
  const bar = row.querySelector("progress");
  const text = row.querySelector(".full-sync");
  bar.hidden = text.hidden = !more.sync;
  if (!more.sync) return;
  bar.setAttribute("aria-label", `Full sync of ${node.name}`);
  const done = words.fractionDone(more.sync);
  if (done == null) bar.removeAttribute("value");
  else bar.value = done;
  say(text, `Full sync: ${words.fullSyncText(more.sync)}`);
}

function drawDrift({ drift, now }) {
  const items = drift?.items ?? [];
  const none = byId("drift-none");
  none.hidden = items.length > 0;
  say(none, !drift ? "–" : drift.converged ? "What runs is what is configured." : "Not compared yet.");
  keyed(byId("drift"), items, (item) => `${item.kind} ${item.node} ${item.detail}`, () => make("li"), (li, item) => {
    const seconds = words.secondsSince(item.since, now);
    const long = seconds == null ? "" : ` (for ${words.age(seconds)})`;
    say(li, words.driftText(item) + long);
    hint(li, item.since);
  });
}

function makeNamespaceRow() {
  const row = make("tr", null, "row");
  const name = make("th", "name", "rowheader");
  name.scope = "row";
  name.append(make("span", "label"), make("span", "badge"));
  row.append(name, make("td", "keys number", "cell"), make("td", "bytes number", "cell"));
  return row;
}

function drawNamespaces() {
  const page = known.namespaces;
  const items = page?.items ?? [];
  keyed(byId("namespaces"), items, (item) => item.name, makeNamespaceRow, (row, item) => {
    say(row.querySelector(".label"), item.name);
    say(row.querySelector(".badge"), item.read_only ? "read-only" : "");
    const keys = row.querySelector(".keys"), size = row.querySelector(".bytes");
    say(keys, words.count(item.keys));
    hint(keys, item.quota_keys == null ? "" : `of ${words.count(item.quota_keys)} allowed`);
    say(size, words.bytes(item.bytes));
    hint(size, `${words.count(item.bytes)} bytes`
      + (item.quota_bytes == null ? "" : ` of ${words.count(item.quota_bytes)} allowed`));
  });
  byId("first-page").disabled = known.page.token == null;
  byId("next-page").disabled = page?.next_page_token == null;
  const total = known.self?.catalog?.namespaces;
  const last = known.page.first + items.length - 1;
  const range = items.length === 0 ? "none" : `${words.count(known.page.first)} to ${words.count(last)}`;
  // The catalog's own count is only sure to fit the list when the list goes on, or ends here.
  const of = page?.next_page_token == null ? ` of ${words.count(last)}`
    : total == null ? ", more follow" : ` of ${words.count(Math.max(total, last + 1))}`;
  say(byId("pages-note"), page ? range + (items.length ? of : "") : "");
}

// ---- Logging in and out ----

/** The token goes into one request and is kept nowhere: from then on the browser sends its cookie. */
async function logIn(event) {
  event.preventDefault();
  const field = byId("login-token");
  const token = field.value.trim();
  field.value = "";
  byId("login-send").disabled = true;
  let answer = null;
  try {
    answer = await ask("/v1/session", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ token }),
    });
  } catch { /* null says it */ }
  byId("login-send").disabled = false;
  say(byId("login-error"), answer == null ? "This node did not answer. Try again."
    : answer.status === 201 ? "" : answer.body?.detail ?? `This node answered ${answer.status}.`);
  askAll();
}

async function logOut() {
  try { await ask("/v1/session", { method: "DELETE" }); } catch { /* the next answer says whether it is done */ }
  askAll();
}

byId("login").addEventListener("submit", logIn);
byId("logout").addEventListener("click", logOut);

// ---- Begin ----

const askSync = poll(() => "/v1/sync", 1000, takeSync);
const askDrift = poll(() => "/v1/topology/drift", 1000, takeIf200("drift"));
const askSelf = poll(() => "/v1/nodes/self", 3000, takeIf200("self"));
const askCaller = poll(() => "/v1/whoami", 10000, takeIf200("caller"));
const askNamespaces = poll(namespacesPath, 3000, takeNamespaces);

function askAll() {
  for (const once of [askSync, askDrift, askSelf, askCaller, askNamespaces]) once();
}

byId("next-page").addEventListener("click", () => {
  const token = known.namespaces?.next_page_token;
  if (token == null) return;
  known.page = { token, first: known.page.first + known.namespaces.items.length };
  askNamespaces();
});
byId("first-page").addEventListener("click", () => {
  known.page = { token: null, first: 1 };
  askNamespaces();
});

// Ages go on while nothing is answered.
setInterval(draw, 500);

// What happens is asked for at once. Numbers move without events, and a stream may fail: the polls above go on.
const FOLLOW_AGAIN_MS = 5000;
let stream = null;
let followTimer = null;

function follow() {
  clearTimeout(followTimer);
  stream?.close();
  stream = null;
  // A browser has six connections to a server for all its tabs: a hidden one must not keep one of them.
  if (document.hidden) return;
  stream = new EventSource("/v1/events");
  stream.onmessage = (message) => askAgain(JSON.parse(message.data).kind);
  stream.addEventListener("reset", () => askAgain("namespace"));
  stream.onerror = () => {
    askSync();
    // After a refusal the browser does not come again by itself.
    if (stream?.readyState === EventSource.CLOSED) followTimer = setTimeout(follow, FOLLOW_AGAIN_MS);
  };
}

function askAgain(kind) {
  askSync();
  askDrift();
  if (kind === "namespace") askNamespaces();
}

follow();

// A hidden tab is slowed down by the browser: ask at once when it is looked at again.
document.addEventListener("visibilitychange", () => {
  follow();
  if (!document.hidden) askSync();
});

ask("/version").then(({ body }) => say(byId("version"), body?.version ? `Convoy ${body.version}` : ""), () => {});
