// The plots of the last hour, from what the node has measured itself.

import { byId, make, redraw, say } from "./dom.js";
import { known } from "./data.js";
import { plot } from "./plots.js";
import * as words from "./words.js";

const REPLICAS_MAX = 4;

const HEADROOM_SECONDS_MAX = 86400;

/** While hardly anything is written there is room for years: on that scale the last hours could not be seen. */
function capped({ name, points }) {
  return { name, points: points.map(([at, value]) => [at, value == null ? null : Math.min(value, HEADROOM_SECONDS_MAX)]) };
}

const most = ([, values]) => Math.max(...values);

/** What is drawn: { title, unit, series }. Pure, from the answer of the endpoint. */
export function plotsOf(measured) {
  const times = measured.measured_at.map((time) => Date.parse(time) / 1000);
  const series = (name, key) => ({ name, points: times.map((at, place) => [at, measured[key]?.[place] ?? null]) });
  const all = Object.entries(measured.replica_lag_seconds ?? {});
  const worst = [...all].sort((a, b) => most(b) - most(a)).slice(0, REPLICAS_MAX);
  // In their own order: each keeps its colour.
  const replicas = all.filter((one) => worst.includes(one)).map(([name, values]) => ({
    name, points: times.slice(-values.length).map((at, place) => [at, values[place]]),
  }));
  const cut = all.length > REPLICAS_MAX ? `: the ${REPLICAS_MAX} of ${all.length} that were furthest` : "";
  const own = series(measured.node, "lag_seconds");
  return [
    { title: "Reads and writes per second", unit: "rate",
      series: [series("reads", "reads_per_second"), series("writes", "writes_per_second")] },
    { title: `Behind the primary${cut}`, unit: "seconds", series: replicas.length ? replicas : [own] },
    { title: "Log on disk", unit: "bytes", series: [series("log", "log_bytes")] },
    { title: "Until a replica needs a full sync (a day and more: a day)", unit: "seconds", series: [capped(series("headroom", "headroom_seconds"))] },
    { title: "Free on the disk", unit: "bytes", series: [series("free", "disk_free_bytes")] },
  ];
}

export function drawPlots({ now }) {
  const measured = known.measured;
  if (!measured || measured.measured_at.length === 0) {
    redraw(byId("plots"), "none", make("p", "muted", null, "The first figures come ten seconds after the start."));
    return;
  }
  say(byId("plots-note"), `as ${measured.node} measures itself, every ${words.duration(measured.interval_seconds)}`);
  const whole = byId("plots").clientWidth;
  if (whole < 100) return;
  const width = Math.floor(whole > 800 ? (whole - 24) / 2 : whole);
  // Figures that come no more end before the right edge, which is now.
  const last = Date.parse(measured.measured_at.at(-1)) / 1000;
  const end = now / 1000 - last < 2 * measured.interval_seconds ? last : Math.floor(now / 10000) * 10;
  redraw(byId("plots"), [measured.node, end, width], () => plotsOf(measured).map((one, place) => {
    const figure = make("figure", "panel");
    const caption = make("figcaption", null, null, one.title);
    if (one.series.length > 1) {
      one.series.forEach(({ name }, place) => caption.append(make("span", `legend curve-${place}`, null, name)));
    }
    figure.append(caption, plot(one, { end, width: place === 0 ? whole : width }));
    return figure;
  }));
}
