// Namespaces: those in trouble on each node, and a table of all of them, page by page from the server.

import { byId, hint, keyed, make, redraw, say } from "./dom.js";
import { known } from "./data.js";
import * as words from "./words.js";

/** As FirstView.namespacesMax. */
const NAMESPACES_PER_PAGE = 25;
const NEAR_QUOTA = 0.8;
const TROUBLED_MAX = 20;
const COLUMNS_MAX = 8;

const page = { token: null, first: 1, prefix: "", sort: "name asc", inTrouble: false };

// ---- Asking ----

export function namespacesPath() {
  const query = new URLSearchParams({ page_size: NAMESPACES_PER_PAGE });
  if (page.prefix) query.set("prefix", page.prefix);
  if (page.inTrouble) query.set("in_trouble", "true");
  if (page.sort !== "name asc") {
    const [sort, order] = page.sort.split(" ");
    query.set("sort", sort);
    query.set("order", order);
  }
  if (page.token != null) query.set("page_token", page.token);
  return `/v1/namespaces?${query}`;
}

export function takeNamespaces(answer) {
  if (answer?.status === 200 && Array.isArray(answer.body?.items)) {
    known.namespaces = answer.body;
  } else if (answer?.status === 400) {
    // A page that is gone, or an order that this node does not know.
    if (page.token != null) toFirstPage();
    else if (page.sort !== "name asc") byId("sort").value = page.sort = "name asc";
  }
}

export function toFirstPage() {
  page.token = null;
  page.first = 1;
}

/** Whether there is a next page to go to. */
export function toNextPage() {
  const token = known.namespaces?.next_page_token;
  if (token == null) return false;
  page.first += known.namespaces.items.length;
  page.token = token;
  return true;
}

export function search(prefix, sort, inTrouble) {
  Object.assign(page, { prefix, sort, inTrouble });
  toFirstPage();
}

// ---- What is wrong with a namespace ----

/** How much of its tightest quota is used, from 0, of a soft one where there is no other; null without one. Pure. */
export function quotaUse(item) {
  const hard = [[item.keys, item.quota_keys], [item.bytes, item.quota_bytes]];
  const uses = (hard.some(([, quota]) => quota != null) ? hard : [[item.keys, item.soft_quota_keys], [item.bytes, item.soft_quota_bytes]])
    .filter(([, quota]) => quota != null).map(([used, quota]) => quota > 0 ? used / quota : 1);
  return uses.length ? Math.max(...uses) : null;
}

/** The words of the API in words for people; "" without any. Pure. As NamespaceTrouble.phrase. */
export function troubleText(words) {
  const has = (part) => words?.some((word) => word.includes(part));
  const quota = has("-nearly-used-up") && !has("s-used-up") ? "nearly full" : has("-used-up") ? "full" : null;
  const soft = quota !== "full" && has("soft-quota") ? "over its soft quota" : null;
  return [has("read-only") ? "read-only" : null, soft ?? quota].filter(Boolean).join(", ");
}

/**
 * What each node holds of a namespace, as far as it is known here: { symbol, word, level } by its catalog, which names
 * every namespace; equal digests as of the same entry mean the same namespaces. Pure.
 */
export function heldBy(node, primary, now) {
  if (words.isOld(node, now)) return { symbol: "?", word: "not heard", level: "old" };
  if (node.full_sync && node.catalog == null) return { symbol: "↻", word: "full sync", level: "info" };
  if (node.catalog == null) return { symbol: "⊘", word: "nothing yet", level: "bad" };
  if (primary?.catalog == null) return { symbol: "?", word: "unknown", level: "old" };
  if (node.catalog.index !== primary.catalog.index) return { symbol: "↻", word: `as of ${words.count(node.catalog.index)}`, level: "info" };
  if (node.catalog.digest !== primary.catalog.digest) return { symbol: "✕", word: "differs", level: "bad" };
  return { symbol: "✓", word: "same", level: "ok" };
}

// ---- Drawing ----

const DIFFERENCES = { missing: "missing", extra: "not on the primary", differs: "differs" };

/** A namespace in trouble as a node has it itself: { symbol, word, level }. Pure. */
export function troubledAt(node, name, held) {
  if (held.word === "not heard" || node.catalog == null) return held;
  const difference = node.catalog_differences?.items.find((item) => item.name === name)?.difference;
  if (difference != null) return { symbol: "✕", word: DIFFERENCES[difference] ?? difference, level: "bad" };
  const told = node.namespaces_in_trouble;
  const item = told?.items.find((item) => item.name === name);
  if (item != null) return { symbol: "✓", word: words.counted(item.keys, "key", "keys"), level: "ok" };
  if (held.differing?.has(name)) return { symbol: "✓", word: "as on the primary", level: "ok" };
  const count = told == null ? null : told.used_up + told.over_soft_quota + told.nearly_used_up + told.read_only;
  return held.level === "old" || count == null || count > told.items.length ? { symbol: "?", word: "not told", level: "old" }
    : held.level === "info" ? held : { symbol: "≠", word: "not in trouble here", level: "bad" };
}

function drawTrouble({ sync, self, now }) {
  const nodes = sync?.nodes ?? [];
  const primary = nodes.find((node) => node.name === sync?.primary);
  const differing = new Set(nodes.flatMap((node) => node.catalog_differences?.items.map((item) => item.name) ?? []));
  const held = nodes.map((node) => ({ name: node.name, node, differing, ...heldBy(node, primary, now) }));
  const odd = held.filter(({ level }) => level === "bad" || level === "old");
  const columns = held.length <= COLUMNS_MAX ? held : [...odd, ...held.filter((node) => !odd.includes(node))].slice(0, COLUMNS_MAX);
  const own = nodes.find((node) => node.name === self)?.namespaces_in_trouble;
  const rows = (own?.items ?? []).slice(0, TROUBLED_MAX).map((item) => ({
    name: item.name, why: troubleText(item.trouble), since: item.since,
    cells: columns.map((column) => troubledAt(column.node, item.name, column)),
  }));
  for (const name of [...differing].slice(0, TROUBLED_MAX)) {
    if (rows.some((row) => row.name === name)) continue;
    rows.unshift({ name, why: "not the same everywhere", cells: columns.map((column) => troubledAt(column.node, name, column)) });
  }
  // A catalog is one thing: which of its namespaces differ, its node finds out a moment later.
  if (differing.size === 0 && held.some(({ level }) => level === "bad")) {
    const why = held.some(({ word }) => word === "differs") ? "catalog differs" : "none on a node";
    rows.unshift({ name: "all namespaces", why, cells: columns });
  }
  byId("trouble").hidden = rows.length === 0;
  if (rows.length === 0) return;
  const total = own == null ? 0 : own.used_up + own.over_soft_quota + own.nearly_used_up + own.read_only;
  say(byId("trouble-note"), total > TROUBLED_MAX ? `the worst ${TROUBLED_MAX} of ${words.count(total)}` : "");
  redraw(byId("trouble-head"), columns.map(({ name }) => name), () => ["Namespace", "Trouble", ...columns.map(({ name }) => name)]
    .map((text) => {
      const head = make("th", null, "columnheader", text);
      head.scope = "col";
      return head;
    }));
  keyed(byId("trouble-rows"), rows, ({ name }) => name, () => make("tr", null, "row"), (row, { name, why, since, cells }) => {
    const shown = cells.map(({ symbol, word, level }) => [`${level}-text`, `${symbol} ${word}`]);
    const long = since == null ? "" : ` for ${words.age(words.secondsSince(since, now))}`;
    redraw(row, [name, why, long, shown], () => {
      const head = make("th", null, "rowheader", name);
      head.scope = "row";
      return [head, make("td", "warn-text", "cell", `! ${why}${long}`), ...shown.map(([className, text]) => make("td", className, "cell", text))];
    });
  });
}

const CELLS = [["keys number", "Keys"], ["bytes number", "Size"], ["quota", "Quota"], ["reads number", "Reads/s"],
  ["writes number", "Writes/s"], ["last", "Last write"], ["do", null]];

function makeRow() {
  const row = make("tr", null, "row");
  const name = make("th", "name", "rowheader");
  name.scope = "row";
  name.append(make("span", "label"), make("span", "badge"));
  row.append(name, ...CELLS.map(([className, label]) => {
    const cell = make("td", className, "cell");
    if (label) cell.dataset.label = label;
    return cell;
  }));
  return row;
}

/** `actions` gives the buttons of a namespace. */
export function drawTenants(now, actions) {
  drawTrouble(now);
  const items = known.namespaces?.items ?? [];
  if (known.namespaces) {
    keyed(byId("namespaces"), items, (item) => item.name, makeRow, (row, item) => fillRow(row, item, now.now, actions));
  }
  say(byId("rates-note"), now.self == null || (now.sync?.nodes.length ?? 1) < 2 ? "" : `rates as ${now.self} counts them`);
  byId("first-page").disabled = page.token == null;
  byId("next-page").disabled = known.namespaces?.next_page_token == null;
  say(byId("pages-note"), known.namespaces ? pageText(items) : "");
}

function fillRow(row, item, now, actions) {
  const cell = (name) => row.querySelector(`.${name}`);
  say(cell("label"), item.name);
  say(cell("badge"), troubleText(item.trouble));
  say(cell("keys"), words.count(item.keys));
  say(cell("bytes"), words.bytes(item.bytes));
  hint(cell("bytes"), `${words.count(item.bytes)} bytes`);
  say(cell("reads"), words.perSecond(item.reads_per_second));
  say(cell("writes"), words.perSecond(item.writes_per_second));
  hint(cell("reads"), rateLimit(item));
  hint(cell("writes"), rateLimit(item));
  say(cell("last"), words.ago(item.last_write_at, now));
  hint(cell("last"), item.last_write_at);
  const use = quotaUse(item);
  redraw(cell("quota"), [use, item.quota_keys, item.quota_bytes, item.soft_quota_keys, item.soft_quota_bytes], () => use == null ? [make("span", "muted", null, "none")] : [meter(item, use)]);
  const buttons = actions(item);
  redraw(cell("do"), buttons.made, buttons.make);
}

function rateLimit(item) {
  return item.max_requests_per_second == null ? null : `at most ${words.count(item.max_requests_per_second)} requests per second`;
}

function softLimits(item) {
  const limits = [item.soft_quota_keys != null && `${words.count(item.soft_quota_keys)} keys`,
    item.soft_quota_bytes != null && words.bytes(item.soft_quota_bytes)].filter(Boolean);
  return limits.length ? `; warned of at ${limits.join(" and ")}` : "";
}

function meter(item, use) {
  const bar = make("meter");
  bar.max = 1;
  bar.high = NEAR_QUOTA;
  bar.optimum = 0;
  bar.value = Math.min(1, use);
  const limits = [item.quota_keys != null && `${words.count(item.quota_keys)} keys`, item.quota_bytes != null && words.bytes(item.quota_bytes)].filter(Boolean);
  const text = `${Math.floor(use * 100)} % of ${limits.length ? limits.join(" and ") : "its soft quota"}${softLimits(item)}`;
  bar.setAttribute("aria-label", text);
  const whole = make("span", "use");
  whole.append(bar, make("span", null, null, `${Math.floor(use * 100)} %${limits.length ? "" : " of soft"}`));
  whole.title = text;
  return whole;
}

function pageText(items) {
  if (items.length === 0) return page.inTrouble ? "none is in trouble" : page.prefix ? `none begins with “${page.prefix}”` : "none";
  const last = page.first + items.length - 1;
  const range = `${words.count(page.first)} to ${words.count(last)}`;
  const total = known.self?.catalog?.namespaces;
  // The catalog's own count is only sure to fit the list when the list goes on, or ends here.
  if (known.namespaces.next_page_token == null) return `${range} of ${words.count(last)}`;
  if (total == null || page.prefix || page.inTrouble) return `${range}, more follow`;
  return `${range} of ${words.count(Math.max(total, last + 1))}`;
}
