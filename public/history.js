// What is in progress and what changed lately: operations, topology, events, audit. One tab each.

import { button, byId, keyed, make, redraw, say, time } from "./dom.js";
import { known, may } from "./data.js";
import { pages } from "./pages.js";
import * as words from "./words.js";

const TABS = ["operations", "topology", "events", "audit"];
const PER_PAGE = 50;
export const EVENTS_MAX = 300;
const KINDS = ["node", "link", "topology", "operation", "namespace", "alarm"];

const paged = (path) => pages((token) => `${path}?page_size=${PER_PAGE}${token == null ? "" : `&page_token=${token}`}`);
const LISTS = {
  operations: paged("/v1/operations"), topology: paged("/v1/topology/history"), audit: paged("/v1/audit"),
};

let current = "operations";

export function shownTab() {
  return current;
}

export function latelyPath(tab) {
  return tab === current ? LISTS[tab].path() : null;
}

export function takeLately(tab) {
  return (answer) => {
    if (LISTS[tab].take(answer)) known[tab] = answer.body;
  };
}

// ---- Tabs: arrows move, as everywhere ----

export function startTabs(changed) {
  const tabs = TABS.map((name) => byId(`tab-${name}`));
  const choose = (chosen) => {
    current = TABS[chosen];
    tabs.forEach((tab, place) => {
      tab.setAttribute("aria-selected", String(place === chosen));
      tab.tabIndex = place === chosen ? 0 : -1;
      byId(TABS[place]).hidden = place !== chosen;
    });
    changed();
  };
  tabs.forEach((tab, place) => {
    tab.addEventListener("click", () => choose(place));
    tab.addEventListener("keydown", (event) => {
      const target = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: -1 }[event.key];
      if (target == null) return;
      event.preventDefault();
      const chosen = (target + TABS.length) % TABS.length;
      choose(chosen);
      tabs[chosen].focus();
    });
  });
  byId("event-kind").append(...KINDS.map((kind) => make("option", null, null, kind)));
  byId("event-filter").addEventListener("submit", (event) => event.preventDefault());
  byId("event-filter").addEventListener("input", changed);
  for (const [id, go] of [["newest", "toFirst"], ["older", "toNext"]]) {
    byId(id).addEventListener("click", () => {
      LISTS[current][go]();
      changed();
    });
  }
}

/** `actions` is { cancel(operation) }. */
export function drawHistory({ now }, actions) {
  ({ operations: drawOperations, topology: drawTopology, events: drawEvents, audit: drawAudit })[current](now, actions);
  drawPages();
}

function drawPages() {
  const list = LISTS[current];
  // What has the focus stays until the page that was asked for is there.
  byId("lately-pages").hidden = !list || list.isFirst() && (list.shown == null || list.shown.first === 1 && list.shown.next == null);
  list?.drawButtons(byId("newest"), byId("older"));
  if (list?.shown) say(byId("lately-note"), list.shown.first === 1 ? `the newest ${list.shown.last}` : list.range());
}

function empty(panel, text) {
  redraw(panel, text, make("p", "muted", null, text));
}

// ---- Operations ----

const STATES = { running: ["↻", "info"], succeeded: ["✓", "ok"], failed: ["✕", "bad"], cancelled: ["⊘", "old"],
  pending: ["·"], skipped: ["–"] };

function drawOperations(now, { cancel }) {
  const items = known.operations?.items ?? [];
  if (items.length === 0) return empty(byId("operations"), known.operations ? "No operation yet." : "–");
  delete byId("operations").dataset.made;
  keyed(byId("operations"), items, (item) => item.id, () => {
    const article = make("article", "entry");
    article.append(make("div"), make("div"));
    return article;
  }, (article, item) => {
    const [about, buttons] = article.children;
    redraw(about, [item], () => operation(item, now));
    say(about.querySelector("time"), words.ago(item.created_at, now));
    // Apart: what has the focus, or is being pressed, stays.
    const cancels = item.cancellable && may("topology:write");
    const held = buttons.contains(document.activeElement);
    redraw(buttons, [cancels], () => cancels ? [button("Cancel…", "small", () => cancel(item))] : []);
    if (held && !cancels) byId("operations").focus();
  });
}

function operation(item, now) {
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
    const li = make("li", `step-${step.state}`, null, `${STATES[step.state]?.[0] ?? "?"} ${step.name}: ${step.state}`);
    if (step.deadline_at) li.title = `until ${step.deadline_at} at most`;
    steps.append(li);
  }
  const parts = [head, state, about, steps];
  if (item.progress?.total > 0) parts.push(...progress(item));
  const cost = costOf(item.result);
  if (cost) parts.push(make("p", "warn-text", null, cost));
  if (item.error) parts.push(make("p", "bad-text", null, `${item.error.code}: ${item.error.detail}`));
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
  bar.value = Math.min(1, done / total);
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
  const items = known.topology?.items ?? [];
  if (items.length === 0) return empty(byId("topology"), known.topology ? "No document yet." : "–");
  redraw(byId("topology"), [items.map((item) => [item.generation, item.term]), Math.floor(now / 10000)], () => items.map((item, place) => {
      const article = make("article", "entry");
      const about = make("p", "muted");
      about.append(time(item.changed_at, words.ago(item.changed_at, now)), ` by ${item.changed_by}`, item.reason ? `: ${item.reason}` : "");
      const list = make("ul", "differences");
      const isOldest = place === items.length - 1 && known.topology.next_page_token != null;
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
    && (!text || `${data.detail} ${data.subject} ${data.what}`.toLowerCase().includes(text)));
  const list = byId("event-list");
  if (shown.length === 0) {
    redraw(list, `none${known.events.length}`, make("li", "muted", null, known.events.length ? "No event like that." : "No event yet."));
    return;
  }
  const isCut = known.events.length === EVENTS_MAX;
  redraw(list, [shown.map(({ id }) => id), Math.floor(now / 10000)], () => [...shown.map(({ data }) => line(data.at, data.kind, data.detail, now)),
    ...isCut ? [make("li", "muted", null, `Older than the newest ${EVENTS_MAX} are not shown.`)] : []]);
}

function line(at, kind, detail, now) {
  const li = make("li");
  li.append(time(at, words.ago(at, now)), make("span", "badge kind", null, kind), make("span", "detail", null, detail));
  return li;
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
    for (const item of items) {
      const subjects = item.changes.map((change) => change.subject).join(", ");
      const li = line(item.when, item.what, `${item.who}${item.from ? ` from ${item.from}` : ""}: ${subjects}${item.why ? ` (${item.why})` : ""}`, now);
      const what = item.changes.flatMap(changeTexts);
      if (what.length) li.append(make("span", "changes muted", null, what.slice(0, CHANGES_MAX).join(" · ") + (what.length > CHANGES_MAX || item.changes_omitted ? " · …" : "")));
      list.append(li);
    }
    return [list];
  });
}
