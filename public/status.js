// The status page: asks the node that served it, and redraws. What it says is in words.js; each part of the page has a
// module of its own, and all of them draw from what data.js knows.

import { drawActions, namespaceActions, nodeActions, openLinked, operationActions, startActions } from "./actions.js";
import { ask, forget, known, poll, statePath, takeIf200, takeMeasured, takeSync, view } from "./data.js";
import { byId, say } from "./dom.js";
import { drawHistory, EVENTS_MAX, isShown, startTabs } from "./history.js";
import { drawPlots } from "./measured.js";
import { drawNodes, drawShape, toggleAll } from "./nodes.js";
import { makesAllOld, problems } from "./problems.js";
import { follow } from "./stream.js";
import { drawTenants, namespacesPath, search, takeNamespaces, toFirstPage, toNextPage } from "./tenants.js";
import { drawFacts, drawVerdict } from "./verdict.js";
import * as words from "./words.js";

// ---- Drawing ----

let waiting = false;

/** Draws once before the next frame, however often it is asked for. */
function draw() {
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
  byId("data").hidden = now.unauthorized;
  byId("token").hidden = !now.unauthorized;
  byId("logout").hidden = now.unauthorized || (known.caller?.kind ?? "anonymous") === "anonymous";
  if (known.sync || now.lost || now.unauthorized || now.refusal) {
    drawNodes(now, nodeActions);
    drawActions();
    drawVerdict(now, all);
    drawFacts(now, makesAllOld(all[0]));
    drawShape(now, known);
    drawTenants(now, namespaceActions);
    drawHistory(now, operationActions);
    drawPlots(now);
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
  try {
    const answer = await ask("/v1/session", { method: "DELETE" });
    if (answer.status < 300) {
      known.unauthorized = true;
      forget();
    }
  } catch { /* the next answer says whether it is done */ }
  askAll();
}

byId("login").addEventListener("submit", logIn);
byId("logout").addEventListener("click", logOut);

// ---- Asking ----

// The server knew already whether a token is needed.
known.unauthorized = !byId("token").hidden;

const admitted = (path) => () => known.unauthorized ? null : path;
const shown = (tab, path) => () => isShown(tab) && !document.hidden && !known.unauthorized ? path : null;
const asking = {
  sync: poll(statePath, 1000, takeSync, draw),
  drift: poll(admitted("/v1/topology/drift"), 1000, takeIf200("drift"), draw),
  links: poll(admitted("/v1/links"), 2000, takeIf200("links"), draw),
  self: poll(admitted("/v1/nodes/self"), 3000, takeIf200("self"), draw),
  caller: poll(admitted("/v1/whoami"), 10000, takeIf200("caller"), draw),
  namespaces: poll(() => admitted(namespacesPath())(), 3000, takeNamespaces, draw),
  measured: poll(admitted("/v1/nodes/self/measurements"), 5000, takeMeasured, draw),
  operations: poll(shown("operations", "/v1/operations?page_size=50"), 2000, takeIf200("operations"), draw),
  history: poll(shown("topology", "/v1/topology/history?page_size=51"), 5000, takeIf200("history"), draw),
  audit: poll(shown("audit", "/v1/audit?page_size=50"), 5000, takeIf200("audit"), draw),
};

function askAll() {
  for (const once of Object.values(asking)) once();
}

byId("next-page").addEventListener("click", () => {
  if (toNextPage()) asking.namespaces();
});
byId("first-page").addEventListener("click", () => {
  toFirstPage();
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
  for (const name of ["operations", "history", "audit"]) asking[name]();
  draw();
});
startActions(askAll);
// ---- Links: #do=… opens a change, #find=… a namespace ----

function openLink() {
  const link = location.hash.slice(1);
  const find = new URLSearchParams(link).get("find");
  if (!link.startsWith("do=") && find == null) return;
  // Taken out, so that the same link works again, and a page that is loaded anew does not.
  history.replaceState(null, "", location.pathname);
  if (find == null) return openLinked(link);
  byId("prefix").value = find;
  byId("in-trouble").checked = false;
  searchNow();
  byId("namespaces-title").focus();
}

addEventListener("hashchange", openLink);
openLink();

// Ages go on while nothing is answered.
setInterval(draw, 500);
addEventListener("resize", draw);

// ---- Following: what happens is asked for at once, and listed ----

const NAMED = { namespace: ["namespaces"], topology: ["drift", "links", "history"], operation: ["operations"], link: ["links"] };

function remember(event) {
  known.events.unshift(event);
  known.events.length = Math.min(known.events.length, EVENTS_MAX);
}

/** The events before the first that the stream brings: ids of one run count up. */
async function readEarlier(id) {
  const [run, number] = [id.slice(0, id.lastIndexOf("-")), Number(id.slice(id.lastIndexOf("-") + 1))];
  const headers = number > EVENTS_MAX ? { "Last-Event-ID": `${run}-${number - EVENTS_MAX}` } : {};
  let answer = null;
  try { answer = await ask(`/v1/events?page_size=${EVENTS_MAX}`, { headers }); } catch { return; }
  if (answer.status !== 200) return;
  const had = new Set(known.events.map((event) => event.id));
  known.events.push(...answer.body.items.filter((item) => !had.has(item.id)).reverse().map((data) => ({ id: data.id, data })));
  known.events.length = Math.min(known.events.length, EVENTS_MAX);
  draw();
}

follow("/v1/events", {
  wanted: () => !known.unauthorized,
  take: (event) => {
    remember(event);
    for (const name of ["sync", ...NAMED[event.data.kind] ?? []]) asking[name]();
  },
  began: readEarlier,
  missed: () => {
    known.events = [];
    askAll();
  },
  broke: () => asking.sync(),
});

ask("/version").then(({ body }) => say(byId("version"), body ? `version ${body.version}` : ""), () => {});
