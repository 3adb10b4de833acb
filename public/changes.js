// The changes that the page can ask for. Each is { title, go, what, scope, at, method, path, body(fields), … }: `at` is the
// node that it is sent to; `link` opens it on the page of that node; `name` is what has to be typed first, where it destroys;
// `fields` are what it asks for (the plan does not depend on a remark); `plan` stands in for one where the API makes none;
// `takesKey` says that its route takes an Idempotency-Key: the others have the same effect when they are sent again.

import { known } from "./data.js";
import * as words from "./words.js";

function primaryName() {
  return known.sync?.primary ?? null;
}

export const switchOver = (node, from = primaryName()) => ({
  title: `Switch over to ${node}`, go: "Switch over", link: `do=switch-over&node=${node}`, scope: "topology:write", at: from,
  what: `${node} becomes primary as planned. Nothing is lost; writes wait for a moment.`,
  method: "POST", path: "/v1/topology/switchover", takesKey: true, body: () => ({ from, to: node }),
});
export const failOver = (node) => ({
  title: `Fail over to ${node}`, go: "Fail over", link: `do=fail-over&node=${node}`, scope: "topology:force", at: node, name: node,
  what: `${node} takes over without the old primary, which is for when that one does not answer. What only the old primary has may be lost.`,
  method: "POST", path: "/v1/topology/failover", takesKey: true,
  fields: [{ name: "reason", label: "Why", required: true, isRemark: true },
    { name: "accept_data_loss", label: "Accept that data may be lost", type: "checkbox" }],
  body: ({ reason, accept_data_loss: accepts }) => ({ to: node, reason: reason || "…", ...accepts ? { accept_data_loss: true } : {} }),
});
export const resync = (node) => ({
  title: `Resync ${node}`, go: "Resync", link: `do=resync&node=${node}`, scope: "topology:write", at: primaryName(), name: node,
  what: `${node} starts over with a full sync, and replaces what it has.`,
  method: "POST", path: `/v1/nodes/${encodeURIComponent(node)}/resync`, takesKey: true,
});
export const follow = (node) => ({
  title: `Set the upstream of ${node}`, go: "Set", link: `do=follow&node=${node}`, scope: "topology:write", at: primaryName(),
  what: `${node} follows the node that is named here, and gives up a claim of its own.`,
  method: "PATCH", path: `/v1/nodes/${encodeURIComponent(node)}`, takesKey: true,
  fields: [{ name: "upstream", label: "Follows", required: true,
    value: known.sync?.nodes.find(({ name }) => name === node)?.configured?.upstream ?? primaryName() }],
  body: ({ upstream }) => ({ upstream }),
});
export const remove = (node) => ({
  title: `Remove ${node}`, go: "Remove", link: `do=remove&node=${node}`, scope: "topology:write", at: primaryName(), name: node,
  what: `${node} goes out of the topology and follows nobody any more. Its data stays on its disk.`,
  method: "DELETE", path: `/v1/nodes/${encodeURIComponent(node)}`,
});
export const addNode = (address) => ({
  title: "Add a node", go: "Add", link: "do=add-node", scope: "topology:write", at: primaryName(),
  what: "A node that runs somewhere joins as a replica, and begins with a full sync.",
  method: "POST", path: "/v1/nodes", takesKey: true,
  fields: [{ name: "address", label: "Its address, as http://host:port", required: true, value: address },
    { name: "upstream", label: "Follows (empty: the primary)" },
    { name: "discard_data", label: "Let it give up data that it has", type: "checkbox" }],
  body: ({ address, upstream, discard_data: discards }) =>
    ({ address, ...upstream ? { upstream } : {}, ...discards ? { discard_data: true } : {} }),
});
export const flush = (name) => ({
  title: `Flush ${name}`, go: "Flush", link: `do=flush&namespace=${name}`, scope: "namespaces:write", at: primaryName(), name,
  what: "All keys of the namespace are removed, at once and on every node. This cannot be undone.",
  method: "POST", path: `/v1/namespaces/${encodeURIComponent(name)}/flush`, takesKey: true,
});
export const cancel = (operation) => ({
  title: `Cancel ${operation.type} of ${operation.node}`, go: "Cancel it", scope: "topology:write", at: primaryName(),
  what: "The primary stays where it is, and writes go on at once. Once the handover is in the log it is too late.",
  method: "POST", path: `/v1/operations/${encodeURIComponent(operation.id)}/cancel`,
  plan: { steps: [{ detail: "writes that wait go on, and nothing has changed" }], risks: [], blockers: [] },
});

const BY_LINK = {
  "switch-over": ({ node }) => switchOver(node), "fail-over": ({ node }) => failOver(node),
  resync: ({ node }) => resync(node), follow: ({ node }) => follow(node), remove: ({ node }) => remove(node),
  "add-node": ({ address }) => addNode(address), flush: ({ namespace }) => flush(namespace),
};

/** What a link means, `what` being a query as in `do=remove&node=n2`, with what is to be filled in; null if nothing. */
export function ofLink(what) {
  const given = Object.fromEntries(new URLSearchParams(what));
  const action = BY_LINK[given.do]?.(given) ?? null;
  for (const field of action?.fields ?? []) field.value = given[field.name] ?? field.value;
  return action;
}

/** Quoted for a shell. Pure. */
export function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
