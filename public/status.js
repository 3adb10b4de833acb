// The status page: asks the node that served it, and redraws. What it says is in words.js; each part of the page has a
// module of its own, and all of them draw from what data.js knows.

import { closeActions, drawActions, namespaceActions, nodeActions, openLinked, operationActions, startActions } from "./actions.js";
import { ask, forget, known, poll, statePath, takeIf200, takeMeasured, takeSync, view, whyNot } from "./data.js";
import { byId, say } from "./dom.js";
import { drawHistory, EVENTS_MAX, latelyPath, startTabs, takeLately } from "./history.js";
import { drawPlots } from "./measured.js";
import { drawNodes, drawShape, seek, toggleAll } from "./nodes.js";
import { makesAllOld, problems } from "./problems.js";
import { follow } from "./stream.js";
import { drawTenants, namespacePages, search, takeNamespaces } from "./tenants.js";
import { drawUnread, note } from "./unread.js";
import { drawFacts, drawVerdict } from "./verdict.js";
import * as words from "./words.js";

// ---- Drawing ----

let waiting = false;

const isKnown = ({ sync, lost, unauthorized, refusal }) => sync || lost || unauthorized || refusal;

/** Draws once before the next frame, however often it is asked for. */
function draw() {
  const now = view();
  // A tab behind others has no frames; its title and icon are seen all the same.
  if (document.hidden && isKnown(now) && !now.rereading) drawVerdict(now, problems(now));
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(drawNow);
}

function drawNow() {
  waiting = false;
  const began = performance.now();
  const now = view();
  const all = problems(now);
  byId("data").classList.toggle("old", makesAllOld(all[0]));
  drawSession(now);
  if (isKnown(now)) {
    drawNodes(now, nodeActions);
    drawActions();
    drawVerdict(now, all);
    drawFacts(now, makesAllOld(all[0]));
    drawShape(now, known);
    drawTenants(now, namespaceActions);
    drawHistory(now, operationActions);
    drawPlots(now);
    drawUnread(now);
  }
  say(byId("updated"), updatedText());
  if (known.sync && performance.getEntriesByName("first-view").length === 0) performance.mark("first-view");
  performance.measure("draw", { start: began });
  if (performance.getEntriesByName("draw").length > 1000) performance.clearMeasures("draw");
}

function updatedText() {
  if (known.answeredAt == null) return byId("updated").textContent;
  const seconds = Math.floor((performance.now() - known.answeredAt) / 1000);
  return !known.failed && seconds < 2 ? "live" : `read ${words.age(seconds)} ago`;
}

// ---- Logging in and out ----

/** Who is shown what; the focus does not stay on what is hidden then. */
function drawSession({ unauthorized }) {
  const turns = byId("token").hidden === unauthorized;
  byId("data").hidden = unauthorized;
  byId("token").hidden = !unauthorized;
  byId("logout").hidden = unauthorized || (known.caller?.kind ?? "anonymous") === "anonymous";
  if (!turns) return;
  say(byId("logout-error"), "");
  if (unauthorized) closeActions();
  const held = document.activeElement;
  if (held === document.body || !held?.checkVisibility()) byId(unauthorized ? "login-token" : "main").focus();
}

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
  if (answer?.status === 201) known.unauthorized = false;
  askAll();
}

async function logOut() {
  let answer = null;
  try { answer = await ask("/v1/session", { method: "DELETE" }); } catch { /* null says it */ }
  // Or the session was over already.
  if (answer?.status < 300 || answer?.status === 401) {
    known.unauthorized = true;
    forget();
  } else if (!known.unauthorized) {
    say(byId("logout-error"), `✕ Not logged out: ${whyNot(answer)}. Try again.`);
  }
  askAll();
}

byId("login").addEventListener("submit", logIn);
byId("logout").addEventListener("click", logOut);

// ---- Asking ----

// The server knew already whether a token is needed.
known.unauthorized = !byId("token").hidden;

const source = (name, path, every, take) => poll(() => known.unauthorized ? null : path(), every, (answer) => {
  note(name, answer);
  take(answer);
}, draw);
const state = (name, path, every, take = takeIf200(name)) => source(name, () => path, every, take);
const lately = (name, every) => source(name, () => document.hidden ? null : latelyPath(name), every, takeLately(name));
const asking = {
  sync: poll(statePath, 1000, takeSync, draw),
  drift: state("drift", "/v1/topology/drift", 1000),
  links: state("links", "/v1/links", 2000),
  self: state("self", "/v1/nodes/self", 3000),
  caller: state("caller", "/v1/whoami", 10000),
  namespaces: source("namespaces", namespacePages.path, 3000, takeNamespaces),
  measured: state("measured", "/v1/nodes/self/measurements", 5000, takeMeasured),
  operations: lately("operations", 2000),
  topology: lately("topology", 5000),
  audit: lately("audit", 5000),
};

function askAll() {
  for (const once of Object.values(asking)) once();
}

byId("next-page").addEventListener("click", () => {
  namespacePages.toNext();
  asking.namespaces();
});
byId("first-page").addEventListener("click", () => {
  namespacePages.toFirst();
  asking.namespaces();
});
byId("search").addEventListener("submit", (event) => event.preventDefault());
function searchNow() {
  search(byId("prefix").value, byId("sort").value, byId("in-trouble").checked);
  asking.namespaces();
}
byId("search").addEventListener("input", searchNow);
byId("all-nodes").addEventListener("click", () => {
  toggleAll();
  draw();
});
startTabs(() => {
  for (const name of ["operations", "topology", "audit"]) asking[name]();
  draw();
});
startActions(askAll);
// ---- Links: #do=… opens a change, #find=… a namespace, #node-… its row ----

function openLink() {
  const link = location.hash.slice(1);
  const find = new URLSearchParams(link).get("find");
  const node = /^node-(.+)/.exec(link)?.[1];
  if (!link.startsWith("do=") && find == null && node == null) return;
  // Taken out, so that the same link works again, and a page that is loaded anew does not.
  history.replaceState(null, "", location.pathname);
  if (node != null) {
    seek(node);
    return draw();
  }
  if (find == null) return openLinked(link);
  byId("prefix").value = find;
  byId("in-trouble").checked = false;
  searchNow();
  byId("namespaces-title").focus();
}

addEventListener("hashchange", openLink);
openLink();

// Ages go on while nothing is answered. A tab behind others is drawn with what comes, for its clock hardly runs.
setInterval(() => document.hidden || draw(), 500);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  askAll();
  draw();
});
addEventListener("resize", draw);

// ---- Following: what happens is asked for at once, and listed ----

const NAMED = { namespace: ["namespaces"], topology: ["drift", "links", "topology"], operation: ["operations"], link: ["links"] };

const EARLIER_AGAIN_MS = 3000;

function remember(event) {
  known.events.unshift(event);
  known.events.length = Math.min(known.events.length, EVENTS_MAX);
}

const numberOf = (id) => Number(id.slice(id.lastIndexOf("-") + 1));

/** Where the stream began, if the events before it are wanted. */
let beginning = null;

/** The events before the first that the stream brings: ids of one run count up. Asked for until they come. */
async function readEarlier(id) {
  beginning = id;
  const number = numberOf(id);
  const run = id.slice(0, id.lastIndexOf("-"));
  const headers = number > EVENTS_MAX ? { "Last-Event-ID": `${run}-${number - EVENTS_MAX}` } : {};
  let answer = null;
  try { answer = await ask(`/v1/events?page_size=${EVENTS_MAX}`, { headers }); } catch { /* null says it */ }
  if (beginning !== id || known.unauthorized) return;
  note("earlier", answer);
  if (answer?.status === 200) {
    const items = [...known.events, ...answer.body.items.map((data) => ({ id: data.id, data }))];
    const once = new Map(items.map((event) => [numberOf(event.id), event]));
    known.events = [...once].sort(([a], [b]) => b - a).slice(0, EVENTS_MAX).map(([, event]) => event);
  } else {
    setTimeout(() => beginning === id && readEarlier(id), EARLIER_AGAIN_MS);
  }
  draw();
}

follow("/v1/events", {
  session: () => known.unauthorized ? null : known.session,
  take: (event) => {
    remember(event);
    for (const name of ["sync", ...NAMED[event.data.kind] ?? []]) asking[name]();
  },
  began: readEarlier,
  missed: () => {
    known.events = [];
    beginning = null;
    askAll();
  },
  heard: () => note("events", { status: 200 }),
  broke: (refusal) => {
    note("events", refusal ?? { body: "the stream broke off" });
    asking.sync();
  },
});

ask("/version").then(({ body }) => say(byId("version"), body ? `version ${body.version}` : ""), () => {});
