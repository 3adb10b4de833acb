// Words and figures: pure functions from answers of the API to parts of sentences. No DOM, no clock, no network.
// What is wrong, in whole sentences, the server says.
// Times are numbers of milliseconds since 1970 on the server's clock.

/** Older than this, what was seen of a node says nothing about it now. */
export const OLD_AFTER_SECONDS = 5;

// ---- Formats ----

const grouped = new Intl.NumberFormat("en");

export function count(n) {
  return n == null ? "unknown" : grouped.format(n);
}

/** "1 entry", "1,204 entries". */
export function counted(n, one, many) {
  return `${count(n)} ${n === 1 ? one : many}`;
}

export function bytes(n) {
  if (n == null) return "unknown";
  if (n < 1000) return `${n} B`;
  for (const unit of ["kB", "MB", "GB", "TB"]) {
    n /= 1000;
    // Rounded first: 999,950 is "1.0 MB", not "1000 kB".
    if (Number(n.toFixed(n < 100 ? 1 : 0)) < 1000 || unit === "TB") return `${n.toFixed(n < 100 ? 1 : 0)} ${unit}`;
  }
}

export function duration(seconds) {
  if (seconds == null || Number.isNaN(seconds)) return "unknown";
  const s = Math.max(0, seconds);
  if (s < 1) return s < 0.05 ? "0 s" : `${s.toFixed(1)} s`;
  if (s < 60) return `${Math.floor(s)} s`;
  if (s < 600) return `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} days`;
}

/** Whole seconds: an age that is redrawn each second shall not flicker between "0.3 s" and "0.7 s". */
export function age(seconds) {
  return duration(seconds == null ? null : Math.floor(Math.max(0, seconds)));
}

/** Seconds from the time `text` until `now`; null if the time is not known. */
export function secondsSince(text, now) {
  const at = text == null ? NaN : Date.parse(text);
  return Number.isNaN(at) ? null : Math.max(0, (now - at) / 1000);
}

export function behind(lag) {
  if (lag == null || (lag.entries == null && lag.seconds == null)) return "unknown";
  if (lag.entries === 0) return "nothing";
  const parts = [];
  if (lag.entries != null) parts.push(counted(lag.entries, "entry", "entries"));
  // What rounds to 0 s says nothing beside a number of entries.
  if (lag.seconds != null && (lag.seconds >= 0.05 || parts.length === 0)) parts.push(duration(lag.seconds));
  return parts.join(", ");
}

// ---- Nodes ----

const STATES = {
  serving: ["serving", "✓", "ok"],
  unconfirmed: ["hears no replica", "!", "warn"],
  handing_over: ["handing over", "↻", "info"],
  streaming: ["streaming", "✓", "ok"],
  connecting: ["connecting", "↻", "info"],
  handshake: ["handshake", "↻", "info"],
  full_sync: ["full sync", "↻", "info"],
  backoff: ["cannot connect", "✕", "bad"],
  stalled: ["stalled", "✕", "bad"],
  detached: ["detached", "⊘", "bad"],
  fenced: ["fenced", "⊘", "bad"],
};

/** Seconds since the node was last seen; null if it never was. */
export function observedAge(node, now) {
  return secondsSince(node.observed_at, now);
}

/** Whether what is known of a node says nothing of it now: it was not heard lately, or does not answer. */
export function isOld(node, now) {
  if (node.running == null) return true;
  const seconds = observedAge(node, now);
  return seconds == null || seconds > OLD_AFTER_SECONDS;
}

/** The state in word, symbol and level (`ok`, `info`, `warn`, `bad`, `old`). */
export function stateOf(node, now) {
  if (isOld(node, now)) return { word: "not heard", symbol: "?", level: "old" };
  const running = node.running;
  if (running?.state == null) {
    return running?.role === "undecided"
      ? { word: "deciding its role", symbol: "↻", level: "warn" }
      : { word: "unknown", symbol: "?", level: "old" };
  }
  const failing = failingOf(running);
  const [word, symbol, level] = STATES[failing ?? running.state] ?? [running.state, "?", "warn"];
  return { word: failing && node.full_sync ? "full sync stalled" : word, symbol, level };
}

/** A link that does not come about tries and waits in turn: all of that is one state. Null when it does not fail. */
function failingOf(running) {
  const tries = ["connecting", "handshake", "full_sync", "backoff", "stalled"].includes(running?.state);
  return tries ? running.failing ?? null : null;
}

/** Since when the node is in the state that is shown; through all the tries of a link. */
export function sinceOf(running) {
  return (failingOf(running) ? running.failing_since : null) ?? running?.since ?? null;
}

export function place(side) {
  if (side?.role == null) return "not in the topology";
  return side.upstream ? `${side.role} of ${side.upstream}` : side.role;
}

/** What differs between configured and running, in words; null if nothing does. */
export function difference(node) {
  const { configured, running } = node;
  if (running == null || running.role == null) return null;
  if (configured?.role !== running.role || (configured?.upstream ?? null) !== (running.upstream ?? null)) {
    return `Configured: ${place(configured)}. Running: ${place(running)}.`;
  }
  if (running.generation != null && configured?.generation != null && running.generation !== configured.generation) {
    return `Configured: generation ${configured.generation}. Running: generation ${running.generation}.`;
  }
  return null;
}

const CAUSES = {
  "empty": "because it was empty",
  "position-not-retained": "because the log no longer reaches back to its position",
  "history-diverged": "because its history had diverged",
  "requested": "because it was asked for",
  "catalog-differs": "because its catalog differed",
};

const STAGES = {
  prepare: "preparing a snapshot",
  fetch: "fetching",
  verify: "verifying",
  load: "loading",
  catch_up: "catching up with the log",
  swap: "swapping in",
};

export function cause(reason) {
  return CAUSES[reason] ?? `because of ${reason}`;
}

/** Between 0 and 1; null while the total is not known. */
export function fractionDone(sync) {
  if (sync.bytes_total == null || sync.bytes_done == null || sync.bytes_total <= 0) return null;
  return Math.min(1, sync.bytes_done / sync.bytes_total);
}

export function fullSyncText(sync) {
  const parts = [STAGES[sync.stage] ?? sync.stage];
  const done = fractionDone(sync);
  if (done != null) parts.push(`${Math.floor(done * 100)} %`, `${bytes(sync.bytes_done)} of ${bytes(sync.bytes_total)}`);
  if (sync.files_total != null) parts.push(`${count(sync.files_done)} of ${counted(sync.files_total, "file", "files")}`);
  if (sync.bytes_per_second != null) parts.push(`${bytes(Math.round(sync.bytes_per_second))}/s`
    + (sync.max_bytes_per_second == null ? "" : ` of ${bytes(sync.max_bytes_per_second)}/s allowed`));
  parts.push(sync.eta_seconds == null ? "time left not known" : `about ${duration(Math.ceil(sync.eta_seconds))} left`);
  if (sync.resumed_bytes) parts.push(`${bytes(sync.resumed_bytes)} kept from before`);
  return `${parts.join(" · ")} · ${cause(sync.reason)}`;
}

/** A sentence of the API with ages in place of the times in it. */
export function humane(text, now) {
  return text.replace(/\b(at|since) (\d{4}-\d\d-\d\dT[0-9:.]+Z)/g, (_, word, time) =>
    word === "at" ? `${age(secondsSince(time, now))} ago` : `for ${age(secondsSince(time, now))}`);
}

export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** One difference between configured and running, beginning with the node that it is about. */
export function driftText(item, now) {
  const text = humane(brief(item.detail) || item.kind, now);
  return item.node == null || text.startsWith(item.node) ? text : `${item.node}: ${text}`;
}

/** An error as part of a sentence: without its full stop, and not longer than a person reads. */
export function brief(error) {
  const text = String(typeof error === "string" ? error : error?.detail ?? error?.code ?? "").trim().replace(/\.$/, "");
  return text.length > 160 ? `${text.slice(0, 157)}…` : text;
}

// ---- Facts ----

/** Whether the node that tells is outside the topology: then it asks no other. */
export function isApart(sync, self) {
  return ["detached", "fenced"].includes(sync.nodes.find((node) => node.name === self)?.running?.state);
}

export function writableText(sync) {
  if (sync.primary == null) return "nowhere";
  if (sync.writable == null) return `not known (${sync.primary})`;
  return sync.writable ? `yes, on ${sync.primary}` : `no (${sync.primary})`;
}

export function inSyncText(sync) {
  // Who is outside the topology does not look.
  if (sync.writable == null && sync.primary != null) return "not known";
  return sync.configured_replicas === 0 ? "no replica" : `${sync.in_sync_replicas} of ${sync.configured_replicas}`;
}

export function exposureText({ loss_exposure: exposure, configured_replicas: replicas }) {
  if (exposure == null) return "unknown";
  if (exposure.candidate == null) {
    return replicas === 0 ? "everything: no replica" : `${exposure.entries == null ? "not known" : "everything"}: no replica can take over now`;
  }
  const lost = exposure.entries === 0 ? "nothing"
    : behind({ entries: exposure.entries, seconds: exposure.seconds });
  return `${lost}; ${exposure.candidate} would take over`;
}

export function logText(log) {
  if (log?.first_index == null) return "none yet";
  if (log.last_index != null && log.first_index > log.last_index) return "empty";
  return `${bytes(log.bytes)}, from ${count(log.first_index)}`;
}

export function topologyText(sync) {
  if (sync.generation == null) return "unknown";
  return `generation ${count(sync.generation)}, term ${count(sync.term)}`;
}

/** The catalog that the primary has, and who was seen to have the same as of the same entry; on hover, when that was. */
export function digestTexts(sync, now) {
  const own = sync.nodes.find((node) => node.name === sync.primary)?.catalog;
  if (own?.digest == null) return ["unknown", null];
  const same = sync.nodes.filter((node) => !isOld(node, now) && node.catalog?.digest === own.digest
    && node.catalog.index === own.index);
  const [at] = same.map((node) => node.observed_at).sort();
  return [`${same.length} of ${sync.nodes.length} nodes, as of entry ${count(own.index)}`, `${own.digest}, verified ${at ? `at ${at}` : "nowhere now"}`];
}

/** What the node that serves the page sees itself, and what it has from others. */
export function sourcesText(sync, self, now) {
  const heard = sync.nodes.filter((node) => node.name !== self && !isOld(node, now)).length;
  const others = sync.nodes.length - 1;
  if (others <= 0) return `${self ?? "this node"}; there is no other`;
  return `${self ?? "this node"}; ${heard} of ${others} from their answers`;
}

/** `apart`: the node that tells is outside the topology, and asks no other. */
export function observedText(node, self, now, apart) {
  if (node.name === self) return "at first hand";
  const seen = observedAge(node, now);
  return seen == null ? apart ? "not asked" : "not yet" : seen < 2 ? "now" : `${age(seen)} ago`;
}

export function ago(text, now) {
  const seconds = secondsSince(text, now);
  return seconds == null ? "–" : seconds < 1 ? "now" : `${age(seconds)} ago`;
}

/** "12/s", "0.4/s", "1,204/s". */
export function perSecond(value) {
  if (value == null) return "–";
  return value === 0 ? "0" : value < 0.1 ? value.toFixed(2) : value < 10 ? value.toFixed(1) : count(Math.round(value));
}
