// What could not be read is said at the title of its section, and what is shown there is grey, as old.

import { known, whyNot } from "./data.js";
import { byId, make, say } from "./dom.js";
import { shownTab } from "./history.js";
import { age } from "./words.js";

/** Remembers whether the answer, null if none came, was what `source` had been asked for. */
export function note(source, answer) {
  const good = answer?.status === 200;
  known.reads[source] = {
    at: good ? performance.now() : known.reads[source]?.at,
    failure: good ? null : whyNot(answer),
  };
}

/** The title, what it is read from, and what is shown of that. */
const SECTIONS = [
  ["shape-title", ["drift", "links"], ["drift", "drift-none"]],
  ["nodes-title", ["self", "caller"], []],
  ["namespaces-title", ["namespaces"], ["namespaces", "pages-note"]],
  ["plots-title", ["measured"], ["plots"]],
];
const WORDS = { self: "this node", caller: "what you may do", measured: "figures", earlier: "earlier events" };

export function drawUnread({ lost, unauthorized }) {
  const tab = shownTab();
  for (const [title, sources, shown] of [...SECTIONS, ["lately-title", tab === "events" ? [tab, "earlier"] : [tab], [tab]]]) {
    // Why nothing at all can be read, the verdict says.
    const texts = sources.map((source) => lost || unauthorized ? "" : textOf(source)).filter(Boolean);
    let place = byId(title).querySelector(".unread");
    if (!place) byId(title).append(" ", place = make("span", "unread warn-text"));
    say(place, texts.join(" "));
    for (const id of shown) byId(id).classList.toggle("old", texts.length > 0);
  }
}

function textOf(source) {
  const { at, failure } = known.reads[source] ?? {};
  return failure && `! ${WORDS[source] ?? source} ${at == null ? "never read" : `not read for ${age((performance.now() - at) / 1000)}`}: ${failure}.`;
}
