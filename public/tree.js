// The drawing of the tree: who follows whom, as configured and as it runs. Pure functions from answers to rows and
// from rows to SVG.

import { fit, svg } from "./dom.js";
import * as words from "./words.js";
import { spark } from "./plots.js";

/** Beyond so many nodes there is one line for each. */
const CARDS_MAX = 20;
const CARD = { height: 56, step: 64, indent: 22, gap: 8 };
const LINE = { height: 24, width: 190 };

// ---- What to draw ----

/**
 * Both halves: { configured, running }, each a list of { name, parent, depth, level, symbol, title, text, mark, … } in the
 * order in which they are drawn. Every node is in both, also one that is only configured, or only runs.
 */
export function halves({ sync, self, drift, links, now, rates = new Map(), lags = new Map() }) {
  const drifting = new Set((drift?.items ?? []).map((item) => item.node));
  const apart = sync != null && words.isApart(sync, self);
  const nodes = (sync?.nodes ?? []).map((node) => describe(node, { drifts: drifting.has(node.name), apart }, now, rates, lags));
  for (const link of links?.items ?? []) {
    if (!link.configured && !nodes.some((node) => node.name === link.replica)) nodes.push(orphan(link, now));
  }
  const names = new Set(nodes.map((node) => node.name));
  const half = (side) => inOrder(nodes.map((node) => {
    const own = node[side];
    return { name: node.name, ...own, parent: names.has(own.parent) ? own.parent : null };
  }));
  return { configured: half("configured"), running: half("running") };
}

/** `drifts`: whether the server has found a difference there; `apart`: whether it asks no other node. */
function describe(node, { drifts, apart }, now, rates, lags) {
  const old = words.isOld(node, now);
  const state = words.stateOf(node, now);
  const upstream = node.configured?.upstream ?? null;
  const absent = node.configured?.role == null;
  const differs = drifts || !old && (absent || words.difference(node) != null);
  const configured = absent
    ? { parent: null, level: "bad", symbol: "⊘", title: node.name, text: "not in the topology", ghost: true, mark: differs }
    : { parent: upstream, level: "plain", symbol: "", title: node.name, text: words.place(node.configured), mark: differs };
  if (old) {
    const seen = words.observedAge(node, now);
    const text = seen == null ? apart ? "not asked" : "not heard yet" : `not heard for ${words.age(seen)}`;
    return { name: node.name, configured,
      running: { parent: upstream, level: "old", symbol: "?", title: node.name, text, ghost: true, broken: true, mark: differs } };
  }
  const running = {
    parent: node.running?.role === "replica" ? node.running.upstream ?? null : null, level: state.level,
    symbol: state.symbol, title: node.name, text: runningText(node, state, now, rates.get(node.name)), short: state.word,
    mark: differs, broken: state.level !== "ok" && state.level !== "info",
    done: node.full_sync ? words.fractionDone(node.full_sync) ?? 0 : null,
    lags: node.running?.role === "replica" ? lags.get(node.name) ?? [] : null,
    // As often as a lag is remembered.
    end: Math.ceil(now / 5000) * 5,
  };
  return { name: node.name, configured, running };
}

function runningText(node, state, now, rate) {
  const role = node.running?.role ?? "no role";
  // That it is a replica, its link says.
  const parts = [role === "replica" ? state.word : `${role}, ${state.word}`];
  const since = words.secondsSince(words.sinceOf(node.running), now);
  if (node.full_sync) {
    const sync = node.full_sync;
    const done = words.fractionDone(sync);
    if (state.level === "bad") {
      return [state.word, done == null ? "" : `at ${Math.floor(done * 100)} %`, since == null ? "" : `for ${words.age(since)}`].filter(Boolean).join(" ");
    }
    parts[0] = `full sync ${done == null ? "" : `${Math.floor(done * 100)} %`}`.trim();
    if (sync.bytes_per_second != null) parts.push(`${words.bytes(Math.round(sync.bytes_per_second))}/s`);
    if (sync.eta_seconds != null) parts.push(`${words.duration(Math.ceil(sync.eta_seconds))} left`);
    return parts.join(" · ");
  }
  if (state.level === "bad" || state.level === "warn") {
    if (since != null) parts.push(`for ${words.age(since)}`);
    return parts.join(" ");
  }
  if (rate?.perSecond != null) parts.push(`${words.perSecond(rate.perSecond)} entries/s`);
  if (role === "replica") parts.push(node.lag?.seconds == null ? "lag unknown" : `lag ${words.duration(node.lag.seconds)}`);
  return parts.join(" · ");
}

/** What follows this node though the topology does not have it. */
function orphan(link, now) {
  const since = words.secondsSince(link.since, now);
  const text = `link ${link.state.replace("_", " ")}${since == null ? "" : ` for ${words.age(since)}`}, not configured`;
  return { name: link.replica,
    configured: { parent: null, level: "bad", symbol: "⊘", title: link.replica, text: "not in the topology", ghost: true, mark: true },
    running: { parent: link.source, level: "bad", symbol: "⊘", title: link.replica, text, short: "orphan link", mark: true } };
}

/** Parents before their children, each with its depth. What is in a circle is drawn as if it had no parent. */
export function inOrder(rows) {
  const children = new Map();
  for (const row of rows) children.set(row.parent, [...children.get(row.parent) ?? [], row]);
  const ordered = [];
  const visit = (row, depth) => {
    if (row.depth != null) return;
    row.depth = depth;
    ordered.push(row);
    for (const child of children.get(row.name) ?? []) visit(child, depth + 1);
  };
  for (const row of children.get(null) ?? []) visit(row, 0);
  for (const row of rows) visit(row, 0);
  return ordered;
}

// ---- Drawing it ----

/** Fills `canvas`; what has not changed stays. Rows as of `halves`. */
export function draw(canvas, rows, label) {
  const width = Math.max(240, Math.floor(canvas.clientWidth || 300));
  const compact = rows.length > CARDS_MAX;
  const columns = compact ? Math.max(1, Math.floor(width / LINE.width)) : 1;
  const perColumn = Math.ceil(rows.length / columns);
  const height = compact ? perColumn * LINE.height : Math.max(1, rows.length) * CARD.step;
  if (canvas.getAttribute("height") !== String(height)) canvas.setAttribute("height", height);
  if (canvas.getAttribute("aria-label") !== label) canvas.setAttribute("aria-label", label);
  const places = new Map(rows.map((row, place) => [row.name, place]));
  const old = new Map([...canvas.children].map((child) => [child.dataset.key, child]));
  rows.forEach((row, place) => {
    const made = JSON.stringify([row, place, width, places.get(row.parent), columns]);
    let group = old.get(row.name);
    old.delete(row.name);
    if (!group) {
      group = svg("g");
      group.dataset.key = row.name;
      canvas.append(group);
    }
    if (group.dataset.made === made) return;
    group.dataset.made = made;
    group.setAttribute("class", `row ${row.level}${row.ghost ? " ghost" : ""}`);
    group.replaceChildren(...compact ? line(row, place, perColumn, width / columns)
      : card(row, place, places.get(row.parent), rows, width));
  });
  for (const child of old.values()) child.remove();
}

function line(row, place, perColumn, width) {
  const x = Math.floor(place / perColumn) * width;
  const y = (place % perColumn) * LINE.height;
  const mark = row.mark ? "≠ " : "";
  const text = `${mark}${row.title}${row.parent ? ` ← ${row.parent}` : ""}`;
  const short = row.level === "ok" || row.level === "plain" ? "" : ` ${row.short ?? row.text}`;
  return [
    svg("title", {}, `${row.title}: ${row.text}${row.mark ? "; differs" : ""}`),
    svg("rect", { x: x + 1, y: y + 1, width: width - 6, height: LINE.height - 4, rx: 3, class: "box" }),
    svg("text", { x: x + 7, y: y + 15, class: "symbol" }, row.symbol || "·"),
    svg("text", { x: x + 22, y: y + 15, class: "small" }, fit(text + short, width - 34, 6.6)),
  ];
}

function card(row, place, parentPlace, rows, width) {
  const x = Math.min(row.depth, 6) * CARD.indent + 1;
  const y = place * CARD.step + 1;
  const parts = [svg("title", {}, `${row.title}: ${row.text}`)];
  if (parentPlace != null) {
    const from = Math.min(rows[parentPlace].depth, 6) * CARD.indent + CARD.indent / 2;
    const top = parentPlace * CARD.step + CARD.height + 1;
    parts.push(svg("path", { d: `M${from} ${top}V${y + CARD.height / 2}H${x}`, class: row.broken ? "link broken" : "link" }));
  }
  const right = width - 1;
  const chart = row.lags ? 96 : 0;
  const space = right - x - 36 - (row.mark ? 78 : 0);
  parts.push(svg("rect", { x, y, width: right - x, height: CARD.height, rx: 6, class: "box" }));
  parts.push(svg("rect", { x, y, width: 4, height: CARD.height, rx: 2, class: "edge" }));
  if (row.symbol) parts.push(svg("text", { x: x + 13, y: y + 23, class: "symbol" }, row.symbol));
  const left = x + (row.symbol ? 32 : 14);
  parts.push(svg("text", { x: left, y: y + 23, class: "name" }, fit(row.title, space - chart, 8.4)));
  parts.push(svg("text", { x: left, y: y + 43, class: "small" }, fit(row.text, right - left - 8, 6.9)));
  if (row.mark) {
    parts.push(svg("path", { d: `M${right - 74} ${y + 18}l8 -8l8 8l-8 8z`, class: "diamond" }),
      svg("text", { x: right - 54, y: y + 22, class: "small differs" }, "differs"));
  } else if (row.lags) {
    parts.push(spark(row.lags, row.end, { x: right - chart - 4, y: y + 8, width: chart - 4, height: 18 }));
  }
  if (row.done != null) {
    const long = right - left - 10;
    parts.push(svg("rect", { x: left, y: y + 48, width: long, height: 4, rx: 2, class: "track" }),
      svg("rect", { x: left, y: y + 48, width: Math.max(2, long * row.done), height: 4, rx: 2, class: "done" }));
  }
  return parts;
}
