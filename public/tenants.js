// Namespaces: those in trouble on each node, and a table of all of them, page by page from the server.

import { byId, hint, keyed, make, redraw, say } from "./dom.js";
import { known } from "./data.js";
import { pages } from "./pages.js";
import * as words from "./words.js";

/** As FirstView.namespacesMax. */
const NAMESPACES_PER_PAGE = 25;
const NEAR_QUOTA = 0.8;
const TROUBLED_MAX = 20;
const COLUMNS_MAX = 8;

const filter = { prefix: "", sort: "name asc", inTrouble: false };
let shownFilter = filter;
export const namespacePages = pages(namespacesPath);

// ---- Asking ----

function namespacesPath(token) {
  const query = new URLSearchParams({ page_size: NAMESPACES_PER_PAGE });
  if (filter.prefix) query.set("prefix", filter.prefix);
  if (filter.inTrouble) query.set("in_trouble", "true");
  if (filter.sort !== "name asc") {
    const [sort, order] = filter.sort.split(" ");
    query.set("sort", sort);
    query.set("order", order);
  }
  if (token != null) query.set("page_token", token);
  return `/v1/namespaces?${query}`;
}

export function takeNamespaces(answer) {
  // An order that this node does not know.
  if (answer?.status === 400 && namespacePages.isFirst()) byId("sort").value = filter.sort = "name asc";
  if (!namespacePages.take(answer)) return;
  known.namespaces = answer.body;
  shownFilter = { ...filter };
}

export function search(prefix, sort, inTrouble) {
  Object.assign(filter, { prefix, sort, inTrouble });
  namespacePages.toFirst();
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
  return held.level === "old" || told == null || troubled(told) > told.items.length ? { symbol: "?", word: "not told", level: "old" }
    : held.level === "info" ? held : { symbol: "≠", word: "not in trouble here", level: "bad" };
}

function troubled(told) {
  return told.used_up + told.over_soft_quota + told.nearly_used_up + told.read_only;
}

function drawTrouble({ sync, self, now }) {
  const nodes = sync?.nodes ?? [];
  const primary = nodes.find((node) => node.name === sync?.primary);
  const differing = new Set(nodes.flatMap((node) => node.catalog_differences?.items.map((item) => item.name) ?? []));
  const held = nodes.map((node) => ({ name: node.name, node, differing, ...heldBy(node, primary, now) }));
  const odd = held.filter(({ level }) => level === "bad" || level === "old");
  const columns = held.length <= COLUMNS_MAX ? held : [...odd, ...held.filter((node) => !odd.includes(node))].slice(0, COLUMNS_MAX);
  const own = nodes.find((node) => node.name === self)?.namespaces_in_trouble;
  const differ = Math.max(differing.size, ...nodes.map((node) => node.catalog_differences?.count ?? 0));
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
  const total = own == null ? 0 : troubled(own);
  say(byId("trouble-note"), [total > TROUBLED_MAX && `the worst ${TROUBLED_MAX} of ${words.count(total)}`,
    differ > TROUBLED_MAX && `${TROUBLED_MAX} of ${words.count(differ)} that differ`,
    held.length > COLUMNS_MAX && `${COLUMNS_MAX} of ${words.count(held.length)} nodes, the worst first`].filter(Boolean).join("; "));
  redraw(byId("trouble-head"), columns.map(({ name }) => name), () => ["Namespace", "Trouble", ...columns.map(({ name }) => name)]
    .map((text) => make("th", null, "columnheader", text)));
  keyed(byId("trouble-rows"), rows, ({ name }) => name, () => make("tr", null, "row"), (row, { name, why, since, cells }) => {
    const shown = cells.map(({ symbol, word, level }) => [`${level}-text`, `${symbol} ${word}`]);
    const long = since == null ? "" : ` for ${words.age(words.secondsSince(since, now))}`;
    redraw(row, [name, why, long, shown], () => {
      const trouble = make("td", "warn-text", "cell", `! ${why}${long}`);
      hint(trouble, since);
      return [make("th", null, "rowheader", name), trouble, ...shown.map(([className, text]) => make("td", className, "cell", text))];
    });
  });
}

const CELLS = [["keys number", "Keys"], ["bytes number", "Size"], ["quota", "Quota"], ["reads number", "Reads/s"],
  ["writes number", "Writes/s"], ["last", "Last write"], ["do", null]];

function makeRow() {
  const row = make("tr", null, "row");
  const name = make("th", "name", "rowheader");
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
  namespacePages.drawButtons(byId("first-page"), byId("next-page"));
  say(byId("pages-note"), known.namespaces ? pageText(items) : "");
}

function fillRow(row, item, now, actions) {
  const cell = (name) => row.querySelector(`.${name}`);
  say(cell("label"), item.name);
  say(cell("badge"), troubleText(item.trouble));
  const write = (name, text, title) => { say(cell(name), text); hint(cell(name), title); };
  write("keys", words.count(item.keys));
  write("bytes", words.bytes(item.bytes), `${words.count(item.bytes)} bytes`);
  write("reads", words.perSecond(item.reads_per_second), rateLimit(item));
  write("writes", words.perSecond(item.writes_per_second), rateLimit(item));
  write("last", words.ago(item.last_write_at, now), item.last_write_at);
  const use = quotaUse(item);
  redraw(cell("quota"), [use, item.quota_keys, item.quota_bytes, item.soft_quota_keys, item.soft_quota_bytes], () => use == null ? [make("span", "muted", null, "none")] : [meter(item, use)]);
  const buttons = actions(item);
  redraw(cell("do"), buttons.made, buttons.make);
}

function rateLimit(item) {
  return item.max_requests_per_second == null ? null : `at most ${words.count(item.max_requests_per_second)} requests per second`;
}

function softLimits(item) {
  const soft = limits(item.soft_quota_keys, item.soft_quota_bytes);
  return soft && `; warned of at ${soft}`;
}

function limits(keys, bytes) {
  return [keys != null && `${words.count(keys)} keys`, bytes != null && words.bytes(bytes)].filter(Boolean).join(" and ");
}

function meter(item, use) {
  const bar = make("meter");
  bar.max = 1;
  bar.high = NEAR_QUOTA;
  bar.optimum = 0;
  bar.value = Math.min(1, use);
  const hard = limits(item.quota_keys, item.quota_bytes);
  const percent = `${Math.floor(use * 100)} %`;
  const text = `${percent} of ${hard || "its soft quota"}${softLimits(item)}`;
  bar.setAttribute("aria-label", text);
  const whole = make("span", "use");
  whole.append(bar, make("span", null, null, percent + (hard ? "" : " of soft")));
  whole.title = text;
  return whole;
}

function pageText(items) {
  const { prefix, inTrouble } = shownFilter;
  if (items.length === 0) return inTrouble ? "none is in trouble" : prefix ? `none begins with “${prefix}”` : "none";
  const last = namespacePages.shown.last;
  const range = namespacePages.range();
  const total = known.self?.catalog?.namespaces;
  // The catalog's own count is only sure to fit the list when the list goes on, or ends here.
  if (namespacePages.shown.next == null) return `${range} of ${words.count(last)}`;
  if (total == null || prefix || inTrouble) return `${range}, more follow`;
  return `${range} of ${words.count(Math.max(total, last + 1))}`;
}
