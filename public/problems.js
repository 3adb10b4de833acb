// What the head of the page says, the worst first: what the server found wrong (the verdict of GET /v1/sync), or why the
// page has nothing from it that is of now. A pure function. No DOM, no clock, no network.

import { OLD_AFTER_SECONDS, age, brief, isOld } from "./words.js";

/**
 * `view` is { now, self, sync, reportAge, rereading, lost, refusal, unauthorized }: `self` is the name of the node that serves the page or null;
 * `lost` is { seconds } (null before the first answer) or null; `refusal` the problem that came instead of the state, or null;
 * `reportAge` how many seconds old the report was when it came; `rereading` is { seconds } if it came too long ago, else null.
 * Each is { key, level, text, since, next }: `key` stays the same while only numbers in the text move; `since` is the exact time
 * of the age in the text, where there is one; `next` is { href, label }: where on the page something can be done about it,
 * or null; with { scope, otherwise } for who has that scope, else the other one.
 */
export function problems(view) {
  const { now, self, sync } = view;
  const only = (key, level, text) => [{ key, level, text, next: null }];
  if (view.lost) {
    const old = sync ? " What you see below is old." : "";
    const other = sync?.nodes.find((node) => node.name !== self && !isOld(node, now - view.lost.seconds * 1000) && /^https?:/.test(node.address ?? ""));
    return [{ key: "lost", level: "bad",
      text: view.lost.seconds == null ? "This node does not answer: check that it runs; this page tries again each second."
        : `Lost contact with ${self ?? "this node"} ${age(view.lost.seconds)} ago: check that it runs; this page tries again each second.${old}`,
      next: other ? { href: `${other.address}/`, label: `Open the page of ${other.name}…` } : null }];
  }
  if (view.unauthorized) return only("token", "warn", "Log in: this node tells its state to those with a token.");
  if (view.refusal) return only("refusal", "bad", `This node answers, but not with its state: ${brief(view.refusal)}.`);
  if (!sync) return only("wait", "wait", "Reading the state of this node.");
  if (view.rereading) return only("rereading", "wait", `Reading the state again: what you see below is ${age(view.rereading.seconds)} old.`);
  if (view.reportAge > OLD_AFTER_SECONDS) {
    return only("report-old", "bad", `${self ?? "This node"} answers, but its report is ${age(view.reportAge)} old: it hangs; `
      + "look at its log and disk. What you see below is old.");
  }
  return sync.verdict.map((item) => ({
    key: [item.code, item.node, item.namespace].filter(Boolean).join(" "), level: item.level, text: item.text, since: item.since,
    next: nextOf(item, sync, self, now),
  }));
}

/** The one thing to do, or where to look. */
function nextOf({ code, node, namespace }, sync, self, now) {
  switch (code) {
    case "no-primary":
    case "primary-silent":
    case "primary-unreachable": {
      const heir = heirOf(sync, self, now);
      const otherwise = { href: "#nodes-title", label: "Show the nodes" };
      return heir == null ? otherwise
        : { href: `#do=fail-over&node=${heir}`, label: `Have ${heir} take over…`, scope: "topology:force", otherwise };
    }
    case "alone": return { href: "#do=add-node", label: "Add a replica…", scope: "topology:write" };
    case "catalog-differs": return { href: `#do=resync&node=${node}`, label: `Resync ${node}…`, scope: "topology:write" };
    case "detached": {
      const [own, home] = [node, sync.primary].map((name) => sync.nodes.find((one) => one.name === name)?.address);
      if (node === self && /^https?:/.test(home ?? "") && own != null) {
        return { href: `${home}/#do=add-node&address=${encodeURIComponent(own)}`, label: `Add it again at the page of ${sync.primary}…` };
      }
      break;
    }
    case "claim": return { href: `#do=follow&node=${node}`, label: `Set the upstream of ${node}…`, scope: "topology:write" };
    case "well": return null;
  }
  if (namespace != null) return { href: `#find=${namespace}`, label: `Show ${namespace}` };
  if (/^(orphan|missing|wrong|role|generation|node)-/.test(code)) return { href: "#shape-title", label: "Show what differs" };
  return node == null ? null : { href: `#node-${node}`, label: `Show ${node}` };
}

/** The replica that lacks least of those that may take over. */
function heirOf(sync, self, now) {
  const fit = sync.nodes.filter((node) => node.promotable && !isOld(node, now) && node.configured?.role === "replica");
  // Of equals the one whose page this is: there it can be done at once.
  return fit.sort((a, b) => (b.position?.index ?? 0) - (a.position?.index ?? 0) || (b.name === self) - (a.name === self))[0]?.name ?? null;
}

/** Whether this problem means that everything else on the page is old. */
export function makesAllOld(problem) {
  return ["lost", "refusal", "report-old", "rereading"].includes(problem.key);
}
