// The head of the page: the sentence, what to do, and the facts.

import { may } from "./data.js";
import { byId, hint, keyed, make, say } from "./dom.js";
import * as words from "./words.js";

const SYMBOLS = { ok: "✓", info: "↻", warn: "!", bad: "✕", wait: "…", note: "·" };
const ICON_COLOURS = { ok: "1a7f37", info: "0969da", warn: "9a6700", bad: "cf222e", wait: "6e7781" };
/** As FirstView.alsoMax. */
const ALSO_MAX = 5;

let drawnLevel = null;
let spokenKey = null;

export function drawVerdict(now, all) {
  const worst = all[0];
  say(byId("sentence"), worst.text);
  hint(byId("sentence"), worst.since);
  const link = byId("next-link");
  lead(link, worst.next);
  const also = all.slice(1, 1 + ALSO_MAX);
  const more = all.length - 1 - also.length;
  if (more > 0) also.push({ key: "more", level: "note", text: `And ${words.count(more)} more: see below.`, next: null });
  keyed(byId("also"), also, (problem) => problem.key, () => {
    const li = make("li");
    li.append(make("span"), " ", make("a"));
    return li;
  }, (li, problem) => {
    li.className = problem.level;
    say(li.firstChild, problem.text);
    hint(li.firstChild, problem.since);
    lead(li.lastChild, problem.next);
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

/** Where something can be done, for who may do it. */
function lead(link, next) {
  const to = next?.scope != null && !may(next.scope) ? next.otherwise ?? null : next;
  link.hidden = to == null;
  say(link, to ? `${to.label}${to.label.endsWith("…") ? "" : " ↓"}` : "");
  if (to && link.getAttribute("href") !== to.href) link.setAttribute("href", to.href);
}

/** `isOld`: nothing of it is of now. */
export function drawFacts({ sync, self, now }, isOld) {
  const fact = (name, text, title) => {
    say(byId(`fact-${name}`), text);
    hint(byId(`fact-${name}`), title);
  };
  if (!sync || isOld) {
    for (const name of ["writable", "in-sync", "exposure", "digest", "topology", "position", "log", "sources"]) fact(name, isOld ? "not known now" : "–");
    return;
  }
  fact("writable", words.writableText(sync));
  fact("in-sync", words.inSyncText(sync));
  fact("exposure", words.exposureText(sync));
  fact("digest", ...words.digestTexts(sync, now));
  fact("topology", words.topologyText(sync));
  fact("position", words.count(sync.position?.index), sync.position && `chain hash ${sync.position.hash}`);
  fact("log", words.logText(sync.log));
  fact("sources", words.sourcesText(sync, self, now));
}
