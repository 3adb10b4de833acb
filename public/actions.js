// Changes: each is shown as a plan with its risks before it is made, and as a command.

import * as changes from "./changes.js";
import { ask, known, may } from "./data.js";
import { button, byId, make, redraw, say } from "./dom.js";
import * as words from "./words.js";

const PLAN_TIMEOUT_MS = 10000;
const CHANGE_TIMEOUT_MS = 30000;
const TYPING_PAUSE_MS = 300;
const FOLLOW_MS = 500;
/** A second press does not confirm a plan that has changed under it. */
const READING_MS = 1000;
const UNKNOWN = "Whether it was done is not known: the audit tells.";

/** The action that is open, with what was typed. */
let open = null;
let typing = null;
let changed = () => {};

/** The buttons of a node: { made, make }, where `made` tells when they have to be made anew. */
export function nodeActions(node) {
  const list = [["Switch over", changes.switchOver], ["Fail over", changes.failOver], ["Resync", changes.resync],
    ["Set upstream", changes.follow], ["Remove", changes.remove]];
  const allowed = node.configured?.role !== "replica" ? [] : list.filter(([, action]) => may(action(node.name).scope));
  return { made: [node.name, allowed.map(([text]) => text)], make: () => allowed.length === 0 ? [] : [menu(node.name, allowed)] };
}

function menu(name, allowed) {
  const opens = button("Actions…", "small", () => choose(name, allowed));
  opens.setAttribute("aria-label", `Actions for ${name}…`);
  return opens;
}

export function namespaceActions(item) {
  const allowed = may("namespaces:write");
  return { made: [allowed, item.name], make: () => {
    if (!allowed) return [];
    const flushes = button("Flush…", "small", () => show(changes.flush(item.name)));
    flushes.setAttribute("aria-label", `Flush ${item.name}…`);
    return [flushes];
  } };
}

export const operationActions = { cancel: (operation) => show(changes.cancel(operation)) };

/** What a link asks for, until it is known who asks. */
let linked = null;

/** `what` as of `changes.ofLink`. */
export function openLinked(what) {
  linked = what;
  drawActions();
}

// ---- The dialog ----

export function startActions(whenChanged) {
  changed = whenChanged;
  byId("add-node").addEventListener("click", () => show(changes.addNode()));
  byId("action-close").addEventListener("click", () => byId("action").close());
  byId("action-form").addEventListener("submit", (event) => {
    event.preventDefault();
    go();
  });
  byId("action-name").addEventListener("input", drawState);
  byId("action-copy").addEventListener("click", copy);
  byId("action-again").addEventListener("click", () => {
    if (!isSent(open)) plan();
  });
}

export function closeActions() {
  open = null;
  byId("action").close();
}

export function drawActions() {
  byId("add-node").hidden = !may("topology:write");
  if (known.self == null) return;
  if (open?.isEarly) plan();
  if (linked == null || known.caller == null || known.sync == null) return;
  const action = changes.ofLink(linked);
  linked = null;
  if (action != null) show(action);
}

function fields() {
  const values = {};
  for (const input of byId("action-fields").querySelectorAll("input")) {
    values[input.name] = input.type === "checkbox" ? input.checked : input.value.trim();
  }
  return values;
}

/** Whether what is typed changes nothing of it any more. */
function isSent(action) {
  return ["going", "done"].includes(action.state);
}

/** What can be done with a node: one of it is then shown. */
function choose(name, allowed) {
  open = null;
  tell("", "");
  for (const id of ["action-what", "action-curl"]) say(byId(id), "");
  say(byId("action-title"), name);
  byId("action-fields").replaceChildren(...allowed.map(([text, action]) => {
    const line = make("p", "choice");
    line.append(button(`${text}…`, null, () => show(action(name))), make("span", "muted", null, action(name).what));
    return line;
  }));
  redraw(byId("plan"), `choice of ${name}`);
  for (const id of ["action-go", "action-again", "action-copy", "action-confirm", "action-curl", "plan"]) byId(id).hidden = true;
  byId("action").showModal();
}

function show(action) {
  open = { ...action, state: "planning", found: null };
  say(byId("action-title"), action.title);
  say(byId("action-what"), action.what);
  say(byId("action-go"), action.go);
  tell("", "");
  byId("action-fields").replaceChildren(...(action.fields ?? []).map(field));
  byId("action-name").value = "";
  say(byId("action-name-label"), action.name == null ? "" : `Type ${action.name} to confirm`);
  for (const id of ["action-copy", "action-curl", "plan"]) byId(id).hidden = false;
  if (!byId("action").open) byId("action").showModal();
  // It knows what is hidden.
  plan();
  const inputs = byId("action-form").querySelectorAll("input:not([type=checkbox])");
  [...inputs, byId("action-close")].find((element) => element.checkVisibility()).focus();
}

function field({ name, label, required, type, value, isRemark }) {
  const input = make("input");
  input.id = `field-${name}`;
  input.name = name;
  input.type = type ?? "text";
  input.required = required ?? false;
  if (type === "checkbox") input.checked = value === "true";
  else if (value != null) input.value = value;
  input.autocomplete = "off";
  input.addEventListener("input", () => {
    if (!isRemark && !isSent(open)) {
      // Nothing is done by a plan of something else.
      Object.assign(open, { state: "planning", found: null, number: (open.number ?? 0) + 1 });
      clearTimeout(typing);
      typing = setTimeout(plan, TYPING_PAUSE_MS);
    }
    drawState();
  });
  const text = make("label", null, null, label);
  text.htmlFor = input.id;
  const line = make("p", type === "checkbox" ? "check" : "field");
  line.append(...type === "checkbox" ? [input, text] : [text, input]);
  return line;
}

function request(action, dry) {
  const body = action.body?.(fields());
  return [action.path + (dry ? "?dry_run=true" : ""), {
    method: action.method,
    ...body ? { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) } : {},
  }];
}

/** Asks for the plan of what is open; a change that is not made here is only explained. */
async function plan() {
  clearTimeout(typing);
  const action = open;
  if (action == null) return;
  const self = known.self?.name;
  const number = action.number = (action.number ?? 0) + 1;
  action.state = "planning";
  action.found = null;
  // Whose page this is may not be read yet.
  action.isEarly = action.at != null && self == null;
  drawState();
  if (action.isEarly) return;
  if (!may(action.scope)) {
    Object.assign(action, { state: "refused", why: `This needs a token with the scope ${action.scope}: log in with one.` });
  } else if (action.at != null && action.at !== self) {
    action.state = "elsewhere";
  } else if (action.plan) {
    Object.assign(action, { found: action.plan, state: "planned" });
  } else if (byId("action-fields").querySelector("input:invalid[name=address]")) {
    action.state = "waiting";
  } else {
    const answer = await answerTo(request(action, true), PLAN_TIMEOUT_MS);
    if (open !== action || action.number !== number) return;
    if (answer?.status === 200) Object.assign(action, { found: answer.body, state: "planned" });
    else Object.assign(action, { state: "refused", why: explain(answer) });
  }
  drawState();
}

/** Null if none came. */
async function answerTo(what, timeout) {
  try { return await ask(...what, timeout); } catch { return null; }
}

function explain(answer) {
  if (answer == null) return "This node did not answer in time, and nothing was changed. Look again.";
  const faults = (answer.body?.errors ?? []).map((fault) => fault.detail).join(" ");
  return [answer.body?.detail ?? `This node answered ${answer.status}.`, faults].filter(Boolean).join(" ");
}

function drawState() {
  if (!open) return;
  const { state, found } = open;
  redraw(byId("plan"), [open.title, found ?? state, open.why, state === "elsewhere" && fields()], () => drawPlan(open));
  const named = open.name == null || byId("action-name").value.trim() === open.name;
  const filled = byId("action-fields").querySelector("input:invalid") == null;
  // What is in the way may be that it was done: then the same is sent again.
  const free = found != null && (found.blockers.length === 0 || open.lost === asText(open));
  byId("action-go").disabled = !(state === "planned" && free && named && filled);
  byId("action-go").hidden = byId("action-again").hidden = state === "elsewhere" || state === "done";
  byId("action-confirm").hidden = open.name == null || byId("action-go").hidden;
  say(byId("action-curl"), curl(open));
}

function drawPlan(action) {
  const { state, found, why } = action;
  if (state === "planning") return [make("p", "muted", null, "Looking at what it would do…")];
  if (state === "waiting") return [make("p", "muted", null, "The plan comes as soon as there is an address.")];
  if (state === "refused") return [make("p", "bad-text", null, `✕ ${why}`)];
  if (state === "elsewhere") return [elsewhere(action)];
  if (!found) return [];
  const loses = found.risks.filter(({ code }) => code === "data-loss");
  const risks = found.risks.filter(({ code }) => code !== "data-loss");
  return [...part("It is not possible", found.blockers, "ul", "bad-text"), ...part("What may be lost", loses, "ul", "bad-text"),
    ...part("It would", found.steps, "ol", ""), ...part("Risks", risks, "ul", "warn-text"),
    ...found.risks.length + found.blockers.length === 0 ? [make("p", "ok-text", null, "✓ No risk is known.")] : []];
}

function part(title, items, tag, className) {
  if (!items?.length) return [];
  const list = make(tag);
  for (const { code, node, detail, remedy, evidence } of items) {
    const li = make("li", className);
    li.append(make("strong", null, null, [code?.replaceAll("-", " "), node].filter(Boolean).join(" ")), code || node ? ": " : "", detail);
    const figures = (evidence ?? []).filter(({ value }) => value !== 0).map(figure);
    const more = [figures.join(", "), remedy && !/^none needed/i.test(remedy) && `What helps: ${remedy}`].filter(Boolean).join(". ");
    if (more) li.append(make("span", "remedy muted", null, more));
    list.append(li);
  }
  return [make("h3", null, null, title), list];
}

/** "data 841 kB", "sync about 3 s". */
function figure({ name, value, measured }) {
  const [, what, unit] = /^(.*?)_?(bytes|seconds|ms)?$/.exec(name);
  const text = unit === "bytes" ? words.bytes(Math.round(value)) : unit === "seconds" ? words.duration(value)
    : unit === "ms" ? `${words.count(Math.round(value))} ms` : words.count(Math.round(value * 10) / 10);
  return `${what.replaceAll("_", " ") || "time"} ${measured ? "" : "about "}${text}`;
}

/** `action` is sent to another node, which has the plan; what was filled in goes along. */
function elsewhere({ at: name, link }) {
  const line = make("p", "warn-text", null, `! This is sent to ${name}, and this page is that of ${known.self?.name ?? "another node"}. `);
  const address = addressOf(name);
  if (/^https?:\/\//.test(address ?? "")) {
    const page = make("a", null, null, `Go on at the page of ${name}`);
    const filled = Object.entries(fields()).filter(([, value]) => value !== "" && value !== false);
    page.href = link == null ? `${address}/` : `${address}/#${link}${filled.map((pair) => `&${pair.map(encodeURIComponent).join("=")}`).join("")}`;
    line.append(page, ", or use the command below.");
  }
  return line;
}

function addressOf(name) {
  return known.sync?.nodes.find((node) => node.name === name)?.address ?? null;
}

function asText(action) {
  return JSON.stringify(request(action, false));
}

/** However often the same request is sent with its key, it is carried out once. */
function withKey(action, [path, more]) {
  if (!action.takesKey) return [path, more];
  // Not randomUUID, which a page without TLS has not.
  if (action.key?.of !== action.sent) action.key = { of: action.sent, text: crypto.getRandomValues(new BigUint64Array(2)).join("-") };
  return [path, { ...more, headers: { ...more.headers, "Idempotency-Key": action.key.text } }];
}

async function go() {
  const action = open;
  if (byId("action-go").disabled) return;
  const sent = request(action, false);
  Object.assign(action, { state: "going", sent: asText(action) });
  drawState();
  progress("↻ Sending…");
  if (!await isAsPlanned(action)) return;
  const answer = await answerTo(withKey(action, sent), CHANGE_TIMEOUT_MS);
  if (open !== action) return;
  const good = answer != null && answer.status < 300;
  const isLost = answer == null || answer.body?.code === "outcome-unknown";
  action.lost = isLost ? action.sent : null;
  const id = answer?.status === 202 ? answer.body?.id : null;
  if (good) tell("ok", id ? "↻ Begun. This says how it ends." : "✓ Done.");
  else if (isLost) tell("warn", `! ${answer?.body?.detail ?? "No answer came in time."} ${UNKNOWN} “${action.go}” once more does it once in all.`);
  else tell("bad", `✕ ${explain(answer)}`);
  goOn(action, good ? "done" : "planned");
  changed();
  if (good && id) follow(action, id);
}

/** Whether it may be sent: nothing has come to the plan that was not read. */
async function isAsPlanned(action) {
  if (action.plan) return true;
  const answer = await answerTo(request(action, true), PLAN_TIMEOUT_MS);
  // Who closes the dialog meanwhile does not want it.
  if (open !== action || !byId("action").open) return false;
  if (answer?.status !== 200) {
    if (action.lost === action.sent) tell("warn", `! Not sent once more${answer == null ? ": this node did not answer in time" : `: ${explain(answer)}`} ${UNKNOWN}`);
    else tell("bad", `✕ Not sent. ${explain(answer)}`);
    goOn(action, "planned");
    return false;
  }
  const [read, { risks, blockers }] = [action.found, answer.body];
  if (!hasMore(read.risks, risks) && (action.lost === action.sent || !hasMore(read.blockers, blockers))) return true;
  action.found = answer.body;
  tell("warn", "! Not sent: the plan has changed. Read it again.");
  goOn(action, "changed");
  setTimeout(() => {
    if (action.state !== "changed") return;
    action.state = "planned";
    drawState();
  }, READING_MS);
  return false;
}

/** Whether `after` holds what `before` does not. Figures move all the time; what may be lost must not have doubled. Pure. */
export function hasMore(before, after) {
  return after.some((finding) => {
    const same = before.find((one) => ["code", "node", "detail"].every((name) => one[name] === finding[name]));
    const grew = ({ name, value }) => !name.endsWith("seconds") && value > 2 * (same.evidence.find((one) => one.name === name)?.value ?? 0);
    return same == null || finding.code === "data-loss" && finding.evidence.some(grew);
  });
}

function goOn(action, state) {
  action.state = state;
  drawState();
  byId("action-close").focus();
  // What was typed meanwhile is something else.
  if (state !== "done" && asText(action) !== action.sent) plan();
}

/** Said aloud; progress is not. */
function tell(level, text) {
  say(byId("action-progress"), "");
  byId("action-result").className = `${level}-text`;
  say(byId("action-result"), text);
}

function progress(text) {
  say(byId("action-result"), "");
  say(byId("action-progress"), text);
}

/** Says in the dialog how an operation ends, as long as it is open. */
async function follow(action, id) {
  const began = performance.now();
  const isThere = () => open === action && byId("action").open;
  let seen = null;
  while (true) {
    await new Promise((done) => setTimeout(done, FOLLOW_MS));
    if (!isThere()) return;
    const answer = await answerTo([`/v1/operations/${encodeURIComponent(id)}`]);
    if (!isThere()) return;
    const { state, error, steps } = answer?.body ?? {};
    const step = steps?.find((one) => one.state === "running")?.name ?? null;
    const long = words.duration((performance.now() - began) / 1000);
    if (state === "succeeded") tell("ok", `✓ Succeeded after ${long}.`);
    else if (state === "failed" || state === "cancelled") tell("bad", `✕ ${words.capital(state)}${error ? `: ${error.detail ?? error.code}` : "."}`);
    else progress(`↻ ${answer?.status === 200 ? "Running" : "Not known at the moment"}${step ? `: ${step.replaceAll("-", " ")}` : ""}, for ${long}.`);
    const ended = state != null && state !== "running";
    if (ended || step !== seen) changed();
    if (ended) return;
    seen = step;
  }
}

// ---- As a command ----

/** The change as a command; the token is named, not shown. */
function curl(action) {
  const [path, { body }] = request(action, false);
  const base = (action.at !== known.self?.name ? addressOf(action.at) : null) ?? location.origin;
  // An open node takes no header without a token in it.
  const isOpen = (known.caller?.kind ?? "anonymous") === "anonymous";
  return [`curl -X ${action.method} ${changes.quoted(base + path)}`,
    ...isOpen ? [] : ['-H "Authorization: Bearer $CONVOY_TOKEN"'],
    ...body ? ["-H 'Content-Type: application/json'", `-d ${changes.quoted(body)}`] : []].join(" \\\n  ");
}

async function copy() {
  const text = byId("action-curl").textContent;
  try {
    await navigator.clipboard.writeText(text);
    say(byId("action-copy"), "Copied");
  } catch {
    // Without the right to the clipboard, or without TLS: it is selected, to be copied by hand.
    getSelection().selectAllChildren(byId("action-curl"));
    say(byId("action-copy"), "Selected: copy it");
  }
  setTimeout(() => say(byId("action-copy"), "Copy as curl"), 2000);
}
