// The trees, and the table of nodes.

import { byId, hint, keyed, make, redraw, say } from "./dom.js";
import { draw as drawTree, halves } from "./tree.js";
import * as words from "./words.js";

/** Rows of the table that are shown before all are asked for; as FirstView.nodesMax. */
const ROWS_AT_FIRST = 20;

let showsAll = false;
let sought = null;

/** Goes to the row of a node at the next drawing, also if it is not among the first ones. */
export function seek(name) {
  sought = name;
}

export function drawShape({ sync, drift, self, now }, known) {
  const items = drift?.items ?? [];
  const none = byId("drift-none");
  none.hidden = items.length > 0;
  say(none, !drift ? none.textContent : drift.converged ? "What runs is what is configured." : "Not compared yet.");
  keyed(byId("drift"), items, (item) => `${item.kind} ${item.node} ${item.detail}`, () => make("li"), (li, item) => {
    const seconds = words.secondsSince(item.since, now);
    const text = words.driftText(item, now);
    // One age is enough.
    const long = seconds == null || text.endsWith(" ago") ? "" : ` (for ${words.age(seconds)})`;
    say(li, text + long);
    hint(li, item.since);
  });
  if (!sync) return;
  say(byId("configured-note"), sync.generation == null ? "" : `generation ${words.count(sync.generation)}`);
  say(byId("running-note"), self ? `as ${self} sees it` : "");
  const { configured, running } = halves({ sync, self, drift, links: known.links, now, rates: known.rates, lags: known.lags });
  const names = (rows) => rows.map((row) => `${row.title}: ${row.text}${row.mark ? ", differs" : ""}`).join("; ");
  drawTree(byId("configured"), configured, `Configured: ${names(configured)}`);
  drawTree(byId("running"), running, `Running: ${names(running)}`);
}

// ---- The table: two rows for each, the second for what does not fit into a cell ----

const CELLS = [
  ["node", "Node"], ["role", "Role"], ["state", "State"], ["since", "Since"],
  ["position", "Position"], ["behind", "Behind"], ["observed", "Observed"], ["do", null],
];
const NUMBER_CELLS = new Set(["position", "behind", "observed"]);

function makeRow(kind) {
  if (kind === "row") {
    const row = make("tr", "node", "row");
    for (const [name, label] of CELLS) {
      const head = name === "node";
      const cell = make(head ? "th" : "td", name + (NUMBER_CELLS.has(name) ? " number" : ""), head ? "rowheader" : "cell");
      if (head) cell.scope = "row";
      if (label) cell.dataset.label = label;
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
  cell.colSpan = CELLS.length;
  cell.append(make("p", "difference"), make("p", "error"), make("progress"), make("p", "full-sync"));
  row.append(cell);
  return row;
}

function moreAbout(node, old, now) {
  const claim = node.running?.claim;
  return {
    difference: old ? null : claim ? `By a claim of its own it follows ${claim.upstream}, for ${words.age(words.secondsSince(claim.since, now))}; configured is `
      + `${node.configured?.upstream ?? "nobody"}.` : words.difference(node),
    since: old ? null : claim?.since,
    error: old || node.last_error == null ? null : `Last error: ${node.last_error.detail ?? node.last_error}`,
    sync: old ? null : node.full_sync,
  };
}

/** `actions` gives the buttons of a node. */
export function drawNodes({ sync, self, now }, actions) {
  const nodes = sync?.nodes ?? [];
  const named = new Set(sync?.verdict.map(({ node }) => node));
  const rank = (node) => named.has(node.name) ? 0 : ["ok", "info"].includes(words.stateOf(node, now).level) ? 2 : 1;
  const first = nodes.length <= ROWS_AT_FIRST ? nodes : [...nodes].sort((a, b) => rank(a) - rank(b)).slice(0, ROWS_AT_FIRST);
  const isSought = ({ name }) => name === sought;
  showsAll ||= nodes.some(isSought) && !first.some(isSought);
  const shown = showsAll ? nodes : first;
  const apart = sync != null && words.isApart(sync, self);
  const rows = [];
  for (const node of shown) {
    const more = moreAbout(node, words.isOld(node, now), now);
    rows.push({ kind: "row", node });
    if (more.difference || more.error || more.sync) rows.push({ kind: "more", node, more });
  }
  keyed(byId("nodes"), rows, (row) => `${row.kind} ${row.node.name}`, (row) => makeRow(row.kind),
    (element, row) => row.kind === "row" ? fillRow(element, row.node, { self, apart }, now, actions) : fillMore(element, row));
  if (sync && sought != null) {
    const row = byId(`node-${sought}`);
    sought = null;
    row?.setAttribute("tabindex", -1);
    row?.focus();
  }
  const all = byId("all-nodes");
  all.hidden = nodes.length <= ROWS_AT_FIRST;
  say(all, showsAll ? `Show ${ROWS_AT_FIRST} of ${nodes.length}, the worst first` : `Show all ${nodes.length} nodes`);
}

export function toggleAll() {
  showsAll = !showsAll;
}

function fillRow(row, node, { self, apart }, now, actions) {
  const old = words.isOld(node, now);
  const state = words.stateOf(node, now);
  const cell = (name) => row.querySelector(`.${name}`);
  row.classList.toggle("old", old);
  row.dataset.level = state.level;
  if (row.id !== `node-${node.name}`) row.id = `node-${node.name}`;
  say(cell("name"), node.name);
  say(cell("address"), node.address ?? "address unknown");
  say(cell("role"), (old ? node.configured?.role : node.running?.role) ?? "none");
  say(cell("symbol"), state.symbol);
  say(cell("word"), state.word);
  const write = (name, text, title) => { say(cell(name), text); hint(cell(name), title); };
  write("observed", words.observedText(node, self, now, apart), node.observed_at);
  const buttons = actions(node);
  redraw(cell("do"), buttons.made, buttons.make);
  if (old) {
    write("since", "–");
    write("position", "–", node.position && `last seen at ${words.count(node.position.index)}`);
    write("behind", "–");
    return;
  }
  const since = words.sinceOf(node.running);
  write("since", since == null ? "–" : `${words.age(words.secondsSince(since, now))} ago`, since);
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
    if (name === "difference") hint(line, more.since);
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
