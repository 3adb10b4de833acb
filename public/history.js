// What is in progress and what changed lately: operations, topology, events, audit. One tab each.

import { button, byId, keyed, make, redraw, time } from "./dom.js";
import { known, may } from "./data.js";
import * as words from "./words.js";

const TABS = ["operations", "topology", "events", "audit"];
const SHOWN_MAX = 50;
export const EVENTS_MAX = 300;
const KINDS = ["node", "link", "topology", "operation", "namespace", "alarm"];

let current = "operations";

export function isShown(tab) {
  return tab === current;
}

// ---- Tabs: arrows move, as everywhere ----

export function startTabs(changed) {
  const tabs = TABS.map((name) => byId(`tab-${name}`));
  const choose = (name) => {
    current = name;
    for (const tab of TABS) {
      byId(`tab-${tab}`).setAttribute("aria-selected", String(tab === name));
      byId(`tab-${tab}`).tabIndex = tab === name ? 0 : -1;
      byId(tab).hidden = tab !== name;
    }
    changed();
  };
  tabs.forEach((tab, place) => {
    tab.addEventListener("click", () => choose(TABS[place]));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const target = event.key === "Home" ? 0 : event.key === "End" ? TABS.length - 1
        : step == null ? null : (place + step + TABS.length) % TABS.length;
      if (target == null) return;
      event.preventDefault();
      choose(TABS[target]);
      tabs[target].focus();
    });
  });
  for (const kind of KINDS) {
    const option = make("option", null, null, kind);
    byId("event-kind").append(option);
  }
  byId("event-filter").addEventListener("submit", (event) => event.preventDefault());
  byId("event-filter").addEventListener("input", changed);
}

/** `actions` is { cancel(operation) }. */
export function drawHistory({ now }, actions) {
  if (current === "operations") drawOperations(now, actions);
  if (current === "topology") drawTopology(now);
  if (current === "events") drawEvents(now);
  if (current === "audit") drawAudit(now);
}

function empty(panel, text) {
  redraw(panel, text, make("p", "muted", null, text));
}

// ---- Operations ----

const STATES = { running: ["↻", "info"], succeeded: ["✓", "ok"], failed: ["✕", "bad"], cancelled: ["⊘", "old"] };
const STEPS = { pending: "·", running: "↻", succeeded: "✓", failed: "✕", cancelled: "⊘", skipped: "–" };

function drawOperations(now, { cancel }) {
  const items = known.operations?.items ?? [];
  if (items.length === 0) return empty(byId("operations"), known.operations ? "No operation yet." : "–");
  delete byId("operations").dataset.made;
  for (const child of [...byId("operations").children]) if (!child.dataset.key) child.remove();
  keyed(byId("operations"), items.slice(0, SHOWN_MAX), (item) => item.id, () => make("article", "entry"), (article, item) => {
    const old = item.state !== "running";
    redraw(article, [item, may("topology:write"), Math.floor(now / (old ? 10000 : 1000))], () => operation(item, now, cancel));
  });
}

function operation(item, now, cancel) {
  const [symbol, level] = STATES[item.state] ?? ["?", "old"];
  const head = make("h3", null, null, `${item.type} ${item.node ?? ""}`.trim());
  const state = make("span", `${level}-text state`, null, `${symbol} ${item.state}`);
  const about = make("p", "muted");
  const end = item.finished_at ?? null;
  about.append("begun ", time(item.created_at, words.ago(item.created_at, now)), ` by ${item.created_by}`,
    end ? `, took ${words.duration((Date.parse(end) - Date.parse(item.created_at)) / 1000)}` : "",
    item.reason ? `: ${item.reason}` : "");
  const steps = make("ol", "steps");
  for (const step of item.steps ?? []) {
    const li = make("li", `step-${step.state}`, null, `${STEPS[step.state] ?? "?"} ${step.name}`);
    li.title = `${step.state}${step.deadline_at ? `, until ${step.deadline_at} at most` : ""}`;
    steps.append(li);
  }
  const parts = [head, state, about, steps];
  if (item.progress?.total > 0) parts.push(...progress(item));
  const cost = costOf(item.result);
  if (cost) parts.push(make("p", "warn-text", null, cost));
  if (item.error) parts.push(make("p", "bad-text", null, `${item.error.code}: ${item.error.detail}`));
  if (item.cancellable && may("topology:write")) {
    parts.push(button("Cancel…", "small", () => cancel(item)));
  }
  return parts;
}

/** What a failover may have lost, and what has been found of it. */
function costOf(result) {
  if (result?.exclusive == null) return null;
  const { found_loss: found, accepted_loss: accepted } = result;
  if (found != null) {
    const more = found.complete ? "" : " so far";
    return found.entries === 0 ? (found.complete ? null : `Nothing was found missing${more}.`)
      : `${words.counted(found.entries, "entry", "entries")} of the old primary ${found.entries === 1 ? "was" : "were"} given up${more}: convoy diverged shows them there.`;
  }
  if (result.exclusive || accepted == null) return null;
  return accepted.entries == null ? "What it lost is not known until the silent nodes are back."
    : `It may have lost ${accepted.at_least ? "at least " : ""}${words.counted(accepted.entries, "entry", "entries")}.`;
}

function progress({ id, progress: { done, total, unit } }) {
  const bar = make("progress");
  bar.setAttribute("aria-label", `Progress of ${id}`);
  if (total != null && total > 0) bar.value = Math.min(1, done / total);
  const text = unit === "bytes" ? `${words.bytes(done)} of ${words.bytes(total)}` : `${words.count(done)} of ${words.count(total)} ${unit}`;
  return [bar, make("p", "muted", null, text)];
}

// ---- Topology ----

/** What the newer document changes of the older one, in words. Pure. */
export function differences(newer, older) {
  if (!older) return [`founded with ${newer.primary ?? newer.nodes?.map((node) => node.name).join(", ") ?? "nobody"}`];
  const parts = [];
  if (newer.primary !== older.primary) parts.push(`primary: ${older.primary ?? "none"} → ${newer.primary ?? "none"}`);
  const upstreams = (document) => new Map((document.replicas ?? []).map(({ node, upstream }) => [node, upstream]));
  const addresses = (document) => new Map((document.nodes ?? []).map(({ name, address }) => [name, address]));
  const [were, are] = [addresses(older), addresses(newer)];
  const [followed, follows] = [upstreams(older), upstreams(newer)];
  for (const [name, address] of are) {
    if (!were.has(name)) parts.push(`+ ${name}${follows.has(name) ? `, follows ${follows.get(name)}` : ""}`);
    else if (were.get(name) !== address) parts.push(`${name}: address ${were.get(name)} → ${address}`);
  }
  for (const name of were.keys()) if (!are.has(name)) parts.push(`− ${name}`);
  for (const [name, upstream] of follows) {
    if (were.has(name) && followed.get(name) !== upstream) {
      const before = followed.get(name) ?? (older.primary === name ? "primary" : "nobody");
      parts.push(before === "primary" ? `${name}: primary → follows ${upstream}` : `${name}: follows ${before} → ${upstream}`);
    }
  }
  if (newer.min_in_sync_replicas !== older.min_in_sync_replicas) {
    parts.push(`min_in_sync_replicas: ${older.min_in_sync_replicas} → ${newer.min_in_sync_replicas}`);
  }
  if (newer.term !== older.term) parts.push(`term ${older.term} → ${newer.term}`);
  return parts.length ? parts : ["the same content"];
}

function drawTopology(now) {
  const items = known.history?.items ?? [];
  if (items.length === 0) return empty(byId("topology"), known.history ? "No document yet." : "–");
  redraw(byId("topology"), [items.map((item) => [item.generation, item.term]), Math.floor(now / 10000)], () => items.slice(0, SHOWN_MAX)
    .map((item, place) => {
      const article = make("article", "entry");
      const about = make("p", "muted");
      about.append(time(item.changed_at, words.ago(item.changed_at, now)), ` by ${item.changed_by}`, item.reason ? `: ${item.reason}` : "");
      const list = make("ul", "differences");
      const isOldest = place === items.length - 1 && known.history.next_page_token != null;
      const texts = isOldest ? ["the one before is on another page"] : differences(item, items[place + 1]);
      for (const text of texts) list.append(make("li", null, null, text));
      article.append(make("h3", null, null, `Generation ${words.count(item.generation)}`), about, list);
      return article;
    }));
}

// ---- Events and audit ----

function drawEvents(now) {
  const kind = byId("event-kind").value;
  const text = byId("event-text").value.trim().toLowerCase();
  const shown = known.events.filter(({ data }) => (!kind || data.kind === kind)
    && (!text || `${data.detail} ${data.subject} ${data.what}`.toLowerCase().includes(text))).slice(0, SHOWN_MAX);
  const list = byId("event-list");
  if (shown.length === 0) {
    redraw(list, `none${known.events.length}`, make("li", "muted", null, known.events.length ? "No event like that." : "No event yet."));
    return;
  }
  redraw(list, [shown.map(({ id }) => id), Math.floor(now / 10000)], () => shown.map(({ data }) => {
    const li = make("li");
    li.append(time(data.at, words.ago(data.at, now)), make("span", "badge kind", null, data.kind), make("span", "detail", null, data.detail));
    return li;
  }));
}

const CHANGES_MAX = 6;

/** The fields that a change has set, before and after. Pure. */
export function changeTexts({ before, after }) {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  const text = (value) => value == null ? "none" : typeof value === "object" ? JSON.stringify(value) : String(value);
  return names.filter((name) => JSON.stringify(before?.[name]) !== JSON.stringify(after?.[name]))
    .filter((name) => before != null || after?.[name] != null)
    .map((name) => before == null ? `${name} ${text(after[name])}` : after == null ? `${name} was ${text(before[name])}`
      : `${name} ${text(before[name])} → ${text(after[name])}`);
}

function drawAudit(now) {
  const items = known.audit?.items ?? [];
  if (items.length === 0) return empty(byId("audit"), known.audit ? "Nothing changed yet." : "–");
  redraw(byId("audit"), [items.map((item) => item.number), Math.floor(now / 10000)], () => {
    const list = make("ol", "log");
    for (const item of items.slice(0, SHOWN_MAX)) {
      const li = make("li");
      const subjects = item.changes.map((change) => change.subject).join(", ");
      li.append(time(item.when, words.ago(item.when, now)), make("span", "badge kind", null, item.what),
        make("span", "detail", null, `${item.who}${item.from ? ` from ${item.from}` : ""}: ${subjects}${item.why ? ` (${item.why})` : ""}`));
      const what = item.changes.flatMap(changeTexts);
      if (what.length) li.append(make("span", "changes muted", null, what.slice(0, CHANGES_MAX).join(" · ") + (what.length > CHANGES_MAX ? " · …" : "")));
      list.append(li);
    }
    return [list];
  });
}
