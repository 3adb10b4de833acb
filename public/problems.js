// What is wrong or under way, in sentences, the worst first: a pure function. No DOM, no clock, no network. The server
// says the worst in the same words (Verdict.swift).

import {
  OLD_AFTER_SECONDS, LAGGING_AFTER_SECONDS, PASSING_SECONDS, count, counted, duration, age, secondsSince, behind,
  observedAge, isOld, fractionDone, humane, capital, driftText, replicasOf, isInSync, digestDiffers, brief,
  lasting,
} from "./words.js";

/**
 * Everything that is wrong or under way, the worst first; never empty. While the state itself is missing or old,
 * only that.
 *
 * `view` is { now, self, sync, drift, lost, refusal, unauthorized }: `self` is the name of the node that serves the
 * page or null; `lost` is { seconds } (null before the first answer) or null; `refusal` the problem that came
 * instead of the state, or null.
 * Each is { key, level, text, next }: `key` stays the same while only numbers in the text move; `next` is { href, label },
 * the thing on the page where something can be done about it, or null.
 */
export function problems(view) {
  const { now, self, sync, drift } = view;
  if (view.lost) {
    const text = view.lost.seconds == null
      ? "This node does not answer: check that it runs; this page tries again each second."
      : `Lost contact with this node ${age(view.lost.seconds)} ago. What you see below is old.`;
    return [{ key: "lost", level: "bad", text }];
  }
  if (view.unauthorized) {
    return [{ key: "token", level: "warn", text: "Log in: this node tells its state to those with a token." }];
  }
  if (view.refusal) {
    const text = `This node answers, but not with its state: ${brief(view.refusal)}.`;
    return [{ key: "refusal", level: "bad", text }];
  }
  if (!sync) return [{ key: "wait", level: "wait", text: "Reading the state of this node." }];
  const reportAge = secondsSince(sync.observed_at, now);
  if (reportAge != null && reportAge > OLD_AFTER_SECONDS) {
    const text = `${self ?? "This node"} answers, but its report is ${age(reportAge)} old: it hangs; `
      + "look at its log and disk. What you see below is old.";
    return [{ key: "report-old", level: "bad", text }];
  }

  const found = [];
  // Nodes of which something was said that explains what differs.
  const told = new Set();
  const add = (rank, level, key, text, next = null) => found.push({ rank, level, key, text, next });
  const primary = sync.nodes.find((node) => node.name === sync.primary) ?? null;
  const replicas = replicasOf(sync);


  const own = sync.nodes.find((node) => node.name === self);
  const apart = own && ["detached", "fenced"].includes(own.running?.state);
  if (sync.primary == null && !apart) {
    const since = own?.running?.role === "undecided" ? lasting(own.running.since, now) : "";
    const text = sync.nodes.length > 1
      ? `No node is primary${since}, so nothing can be written: start the old primary again, or promote a replica.`
      : `This node has not decided its role${since}, so nothing can be written: it does so by itself; else see its log.`;
    add(1, "bad", "no-primary", text, NEXT.nodes);
  } else if (sync.primary != null && sync.writable === false && !apart) {
    const where = primary?.running?.state;
    if (primary?.running?.role === "undecided") {
      add(2, "warn", "undecided", `${sync.primary} asks the other nodes whether another one reigns`
        + `${lasting(primary.running.since, now)}${brief(primary.last_error) ? `: ${brief(primary.last_error)}` : ""}; nothing can be written until then.`, showNode(sync.primary));
    } else if (primary && isOld(primary, now)) {
      add(2, "bad", "not-writable", `Nothing can be written: the primary ${sync.primary} ${unheard(primary, now)}: `
        + "start it again, or have a replica take over.", NEXT.takeOver);
      told.add(sync.primary);
    } else if (where === "handing_over") {
      add(2, "warn", "handing-over", `${sync.primary} is handing over to another node; writes wait until it is done.`);
    } else {
      const why = sync.write_obstacles?.[0]?.detail ?? brief(primary?.last_error);
      add(2, "bad", "not-writable", `${sync.primary} is primary but does not accept writes`
        + `${lasting(primary?.running?.since, now)}: ${why || "look at its disk and its replicas"}.`, showNode(sync.primary));
    }
  } else if (sync.primary != null && sync.writable == null && !apart) {
    add(2, "bad", "writable-unknown",
      `Whether ${sync.primary} accepts writes is not known: check that it runs and can be reached from here.`,
      showNode(sync.primary));
  }

  for (const alarm of sync.alarms ?? []) {
    if (alarm.code === "primary-unreachable" && told.has(alarm.node)) continue;
    add(2.2, "bad", `alarm ${alarm.code} ${alarm.node}`,
      `${alarmWord(alarm)}${lasting(alarm.since, now)}: ${humane(alarm.detail.replace(/\.$/, ""), now)}. Next: ${alarm.next_step}`,
      showNode(alarm.node));
  }
  // Who is outside the topology looks at no other node.
  for (const node of apart ? [own] : sync.nodes) nodeProblems(node, { now, primary, sync, add, told });

  for (const item of apart ? [] : drift?.items ?? []) {
    // An alarm says it already, and nothing brings it into line by itself.
    if ((sync.alarms ?? []).some((alarm) => alarm.code === item.kind && alarm.node === item.node)) continue;
    const seconds = secondsSince(item.since, now);
    const long = seconds == null ? "What runs differs" : `For ${age(seconds)}, what runs has differed`;
    if (EXPLAINED.includes(item.kind) && told.has(item.node)) continue;
    add(EXPLAINED.includes(item.kind) ? 7.1 : 7, "warn", `drift ${item.kind} ${item.node ?? ""}`,
      `${long} from what is configured: ${driftText(item, now)}. ${capital(item.action ?? "")}`.trim(),
      NEXT.shape);
  }

  const rate = { bad: 0, warn: 1, info: 2 };
  found.sort((a, b) => rate[a.level] - rate[b.level] || a.rank - b.rank);
  if (!found.some((problem) => problem.level !== "info")) {
    if (sync.in_sync === false && found.length === 0) {
      add(9, "warn", "not-in-sync", "Not every replica is in sync yet; wait, or look at the nodes below.");
    } else if (found.length === 0) {
      const next = replicas.length === 0 ? NEXT.add : null;
      return [{ key: "ok", level: "ok", text: allIsWell(sync, replicas, primary, now), next }];
    }
  }
  return found.map(({ key, level, text, next }) => ({ key, level, text, next }));
}

function allIsWell(sync, replicas, primary, now) {
  if (replicas.length === 0) {
    return `All is well: ${sync.primary} accepts writes. It has no replica, so its data is on this one node only.`;
  }
  const good = replicas.filter((node) => isInSync(node, primary, now)).length;
  const verb = replicas.length === 1 ? "replica is" : "replicas are";
  return `All is well: ${sync.primary} accepts writes and ${good} of ${replicas.length} ${verb} in sync.`;
}

/** Differences that come of themselves when a node does not answer or cannot connect. */
const EXPLAINED = ["missing-link", "node-unreachable"];

function unheard(node, now) {
  const seconds = observedAge(node, now);
  return seconds == null ? "has not been heard yet" : `has not been heard for ${age(seconds)}`;
}

const NEXT = {
  nodes: { href: "#nodes-title", label: "Show the nodes" },
  takeOver: { href: "#nodes-title", label: "Show who can take over" },
  shape: { href: "#shape-title", label: "Show what differs" },
  add: { href: "#add-node", label: "Add a replica" },
};

function showNode(name) {
  return { href: `#node-${name}`, label: `Show ${name}` };
}

function nodeProblems(node, { now, primary, sync, add: addAny, told }) {
  const add = (...problem) => {
    told.add(node.name);
    addAny(...problem, showNode(node.name));
  };
  const { name, running } = node;
  const upstream = running?.upstream ?? node.configured?.upstream ?? sync.primary ?? "its upstream";
  const since = lasting(running?.since, now);
  const error = brief(node.last_error);

  if (isOld(node, now)) {
    if (name === sync.primary && told.has(name)) return;
    const rank = name === sync.primary ? 2.5 : 5;
    add(rank, "bad", `unheard ${name}`,
      `${name} ${unheard(node, now)}: check that it runs and can be reached at ${node.address ?? "its address"}.`);
    return;
  }
  switch (running?.state) {
    case "detached":
      add(3, "bad", `detached ${name}`,
        `${name} has been detached${since}: it is not in the topology and follows nobody; add it again, or stop it.`);
      return;
    case "fenced":
      add(3, "bad", `fenced ${name}`,
        `${name} has been fenced${since}: another node has taken over; it does not write; resync it, or stop it.`);
      return;
    case "unconfirmed":
      add(4.5, "warn", `unconfirmed ${name}`,
        `${name} has heard no replica${since}: what is written now is on this one node only; check the replicas.`);
      return;
    case "backoff":
      add(5, "bad", `backoff ${name}`,
        `${name} cannot follow ${upstream}${since}: ${error || "the connection fails"}; it tries again by itself.`);
      return;
    case "stalled":
      add(5, "bad", `stalled ${name}`,
        `${name} has made no progress${since}: ${error || `look at its log and at the way to ${upstream}`}.`);
      return;
    case "connecting":
    case "handshake": {
      const seconds = secondsSince(running.since, now);
      const late = seconds != null && seconds > PASSING_SECONDS;
      add(5.5, late ? "warn" : "info", `connecting ${name}`,
        `${name} is connecting to ${upstream}${since}${error ? `; the last error was: ${error}` : ""}.`);
      return;
    }
    case "full_sync": {
      const sync = node.full_sync;
      const done = sync && fractionDone(sync);
      const progress = done == null ? "" : `: ${Math.floor(done * 100)} % done`;
      const left = sync?.eta_seconds == null ? "" : `, about ${duration(Math.ceil(sync.eta_seconds))} left`;
      add(8, "info", `full-sync ${name}`,
        `${name} is in a full sync from ${upstream}${progress}${left}; nothing to do but wait.`);
      return;
    }
  }
  const isTold = (sync.alarms ?? []).some((alarm) => alarm.code === "catalog-differs" && alarm.node === name);
  if (!isTold && primary && name !== primary.name && digestDiffers(node, primary)) {
    add(4, "bad", `digest ${name}`,
      `${name} has other namespaces than ${primary.name} at entry ${count(node.catalog.index)}: resync ${name}.`);
  }
  if (node.lag?.seconds > LAGGING_AFTER_SECONDS) {
    add(7.5, "warn", `lagging ${name}`,
      `${name} is ${duration(node.lag.seconds)} behind${node.lag.entries == null ? ""
        : ` (${counted(node.lag.entries, "entry", "entries")})`}: if it does not catch up, look at its disk and network.`);
  }
}

const ALARMS = {
  "replicas-missing": (node) => `${node} has had too few replicas for its writes`,
  "history-damaged": (node) => `${node} has had another history than its upstream`,
  "isolated": (node) => `${node} has been cut off from its replicas and refuses writes`,
  "catalog-differs": (node) => `${node} has had another catalog than its primary`,
  "primary-unreachable": (node) => `The primary ${node} has been silent`,
  "position-not-retained": (node) => `${node} has been falling behind the log that is kept for it`,
};

function alarmWord(alarm) {
  return ALARMS[alarm.code]?.(alarm.node) ?? `${alarm.node}: ${alarm.code}`;
}

/** Whether this problem means that everything else on the page is old. */
export function makesAllOld(problem) {
  return ["lost", "refusal", "report-old"].includes(problem.key);
}
