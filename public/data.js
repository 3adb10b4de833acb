// What is known, and asking for it: requests with a deadline, and polls.

import { OLD_AFTER_SECONDS, brief, secondsSince } from "./words.js";

const TIMEOUT_MS = 3000;

/** After so long a poll looks again whether it is wanted. */
const UNWANTED_MS = 300;

/** However much happens, an answer stands for so long. */
const HURRY_MS = 300;

const NOTHING = {
  self: null, sync: null, drift: null, links: null, namespaces: null, caller: null,
  measured: null, operations: null, topology: null, audit: null,
};

/** Clocks: the page's monotonic one for elapsed time, the server's for everything that was observed. */
export const known = {
  ...NOTHING, events: [],
  refusal: null, unauthorized: false, failed: false,
  session: 0,         // counts how often all of it was forgotten
  answeredAt: null,   // performance.now() of the last answer
  serverTime: null,   // the server's clock then, in ms since 1970
  reportAge: null,    // how many seconds old the report was then
  reads: {},          // by source: { at: performance.now() of the last answer, failure: what came instead since }
  lags: new Map(),    // by node: [seconds since 1970, seconds behind], of the last ten minutes
  rates: new Map(),   // by node: { index, at, perSecond } of its position
};

export function serverNow() {
  if (known.serverTime == null) return Date.now();
  return known.serverTime + (performance.now() - known.answeredAt);
}

export function view() {
  const seconds = known.answeredAt == null ? null : (performance.now() - known.answeredAt) / 1000;
  // Nothing was asked, as in a tab behind others: that says nothing of the nodes.
  const rereading = !known.failed && known.serverTime != null && seconds > OLD_AFTER_SECONDS;
  return {
    now: rereading ? known.serverTime : serverNow(), self: known.self?.name ?? null, sync: known.sync, drift: known.drift,
    rereading: rereading ? { seconds } : null, reportAge: known.reportAge,
    lost: known.failed ? { seconds } : null, refusal: known.refusal, unauthorized: known.unauthorized,
  };
}

export function may(scope) {
  return known.caller?.scopes?.includes(scope) ?? false;
}

/** The answer as { path, status, date, body }; throws if none came in time. `body` is null unless it is JSON. */
export async function ask(path, more = {}, timeout = TIMEOUT_MS) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), timeout);
  try {
    const answer = await fetch(path, { signal: abort.signal, cache: "no-store", credentials: "same-origin", ...more });
    const text = await answer.text();
    let body = null;
    try { body = JSON.parse(text); } catch { /* not JSON: the status says enough */ }
    return { path, status: answer.status, date: Date.parse(answer.headers.get("Date") ?? ""), body };
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Asks again `every` ms after each answer; `take` gets the answer, or null if none came. An answer to a path that is
 * no longer wanted is dropped, and with the path null nothing is asked. Returns what asks at once.
 */
export function poll(path, every, take, after) {
  let timer = null;
  let asking = false;
  let again = false;
  let last = { path: null, at: 0 };
  async function once() {
    clearTimeout(timer);
    again = asking;
    if (asking) return;
    const asked = path();
    const left = last.path === asked ? last.at + Math.min(every, HURRY_MS) - performance.now() : 0;
    if (asked != null && left > 0) {
      timer = setTimeout(once, left);
      return;
    }
    if (asked == null) {
      timer = setTimeout(once, Math.min(every, UNWANTED_MS));
      return;
    }
    asking = true;
    let answer = null;
    try { answer = await ask(asked); } catch { /* null says it */ }
    asking = false;
    last = { path: asked, at: performance.now() };
    const wanted = asked === path();
    timer = setTimeout(once, !wanted ? 0 : again ? Math.min(every, HURRY_MS) : every);
    if (!wanted) return;
    take(answer);
    after();
    // As when a page of a list is gone.
    if (asked !== path()) once();
  }
  once();
  return once;
}

/** What came instead of what was asked for. */
export function whyNot(answer) {
  return answer == null ? "no answer" : brief(answer.body) || `it answered ${answer.status}`;
}

export function takeIf200(key) {
  return (answer) => {
    if (answer?.status === 200 && answer.body) known[key] = answer.body;
  };
}

/** What is asked for instead of the state while that would be refused: whether the node is there. */
const ALIVE = "/livez";

export const statePath = () => known.unauthorized ? ALIVE : "/v1/sync";

export function takeSync(answer) {
  known.failed = answer == null;
  if (answer == null) return;
  known.answeredAt = performance.now();
  if (answer.path === ALIVE) return;
  known.unauthorized = answer.status === 401;
  known.refusal = null;
  if (answer.status === 200 && Array.isArray(answer.body?.nodes)) {
    known.sync = answer.body;
    for (const node of known.sync.nodes) measure(node);
  } else if (known.unauthorized) {
    forget();
  } else {
    known.refusal = whyNot(answer);
  }
  // The Date header has whole seconds; the report is exact but may be old. The later one is nearer to now.
  const observed = Date.parse(answer.body?.observed_at ?? "");
  const times = [answer.date, observed].filter((time) => !Number.isNaN(time));
  known.serverTime = times.length ? Math.max(...times) : null;
  // As of the answer: it gets no worse while nothing is asked.
  if (answer.status === 200) known.reportAge = secondsSince(answer.body?.observed_at, known.serverTime);
}

export function forget() {
  Object.assign(known, NOTHING, { events: [], reads: {}, session: known.session + 1 });
  known.lags.clear();
  known.rates.clear();
}

const REMEMBERED_SECONDS = 600;
const NODES_MAX = 256;

/** Remembers lag and rate of a node, for its sparkline. */
function measure(node) {
  const at = Date.parse(node.observed_at ?? "") / 1000;
  if (Number.isNaN(at)) return;
  if (known.lags.size < NODES_MAX || known.lags.has(node.name)) {
    const lags = known.lags.get(node.name) ?? [];
    const last = lags.at(-1);
    const seconds = node.lag?.seconds;
    if (seconds != null && last && at - last[0] < 5) last[1] = Math.max(last[1], seconds);
    else if (seconds != null) lags.push([at, seconds]);
    while (lags.length && lags[0][0] < at - REMEMBERED_SECONDS) lags.shift();
    known.lags.set(node.name, lags);
  }
  const index = node.position?.index;
  const before = known.rates.get(node.name);
  if (index == null) {
    known.rates.delete(node.name);
  } else if (!before || index < before.index) {
    known.rates.set(node.name, { index, at, perSecond: null });
  } else if (at - before.at >= 1) {
    const now = (index - before.index) / (at - before.at);
    const perSecond = before.perSecond == null ? now : before.perSecond * 0.6 + now * 0.4;
    known.rates.set(node.name, { index, at, perSecond: perSecond < 0.05 ? 0 : perSecond });
  }
}

/** What the node remembers of the time before this page was opened. */
export function takeMeasured(answer) {
  if (answer?.status !== 200 || !Array.isArray(answer.body?.measured_at)) return;
  known.measured = answer.body;
  const { measured_at: times, replica_lag_seconds: replicas } = answer.body;
  for (const [name, values] of Object.entries(replicas ?? {})) {
    const own = known.lags.get(name) ?? [];
    const first = own[0]?.[0] ?? Infinity;
    const from = (Date.parse(times.at(-1) ?? "") / 1000) - REMEMBERED_SECONDS;
    const earlier = times.slice(-values.length)
      .map((time, place) => [Date.parse(time) / 1000, values[place]])
      .filter(([at, seconds]) => seconds != null && at < first && at >= from);
    if (earlier.length) known.lags.set(name, [...earlier, ...own]);
  }
}
