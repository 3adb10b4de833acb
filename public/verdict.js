// The head of the page: the sentence, what to do, and the facts.

import { may } from "./data.js";
import { byId, hint, keyed, make, say } from "./dom.js";
import * as words from "./words.js";

const SYMBOLS = { ok: "✓", info: "↻", warn: "!", bad: "✕", wait: "…" };
const ICON_COLOURS = { ok: "1a7f37", info: "0969da", warn: "9a6700", bad: "cf222e", wait: "6e7781" };
/** As FirstView.alsoMax. */
const ALSO_MAX = 5;

let drawnLevel = null;
let spokenKey = null;

export function drawVerdict(now, all) {
  const worst = all[0];
  say(byId("sentence"), worst.text);
  const link = byId("next-link");
  const next = worst.next?.scope != null && !may(worst.next.scope) ? worst.next.otherwise ?? null : worst.next;
  link.hidden = next == null;
  say(link, next ? `${next.label}${next.label.endsWith("…") ? "" : " ↓"}` : "");
  if (next && link.getAttribute("href") !== next.href) link.setAttribute("href", next.href);
  keyed(byId("also"), all.slice(1, 1 + ALSO_MAX), (problem) => problem.key, () => make("li"), (li, problem) => {
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
  const title = worst.level === "ok" ? `✓ ${name} · Convoy` : `${SYMBOLS[worst.level]} ${worst.text} · ${name}`;
  if (document.title !== title) document.title = title;
  say(byId("self"), now.self ? `as seen by ${now.self}` : "");
}

export function drawFacts({ sync, self, now }) {
  const fact = (name, text, title) => {
    say(byId(`fact-${name}`), text);
    hint(byId(`fact-${name}`), title);
  };
  if (!sync) {
    for (const name of ["writable", "in-sync", "exposure", "digest", "topology", "position", "log", "sources"]) fact(name, "–");
    return;
  }
  const primary = sync.nodes.find((node) => node.name === sync.primary);
  fact("writable", words.writableText(sync));
  fact("in-sync", words.inSyncText(sync));
  fact("exposure", words.exposureText(sync));
  fact("digest", words.digestText(sync, now), primary?.catalog && `${primary.catalog.digest} as of entry ${primary.catalog.index}`);
  fact("topology", words.topologyText(sync));
  fact("position", words.count(sync.position?.index), sync.position && `chain hash ${sync.position.hash}`);
  fact("log", words.logText(sync.log));
  fact("sources", words.sourcesText(sync, self, now));
}
