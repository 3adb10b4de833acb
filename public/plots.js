// Plots and sparklines: pure functions from numbers to SVG. Times in seconds since 1970, gaps where nothing is known.

import { svg } from "./dom.js";
import { bytes, duration, perSecond } from "./words.js";

export const UNITS = {
  rate: { word: "per second", text: perSecond },
  seconds: { word: "seconds", text: (n) => n === 0 ? "0" : n < 1 ? `${Math.round(n * 1000)} ms` : duration(n).replace(/ 0 (s|min)$/, "") },
  bytes: { word: "bytes", text: (n) => n === 0 ? "0" : bytes(Math.round(n)).replace(/\.0 /, " ") },
};

/** How far back a plot goes, and its ticks in minutes: a node that began lately has little to show. */
const WINDOWS = [[600, [10, 5, 0]], [1800, [30, 20, 10, 0]], [3600, [60, 45, 30, 15, 0]]];

/** Seconds are counted in minutes, hours and days. */
const TIME_STEPS = [60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400];

/** The smallest 1, 2 or 5 times a power of ten that is not below `value`. */
export function nice(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= value * 0.999999);
}

/** A path through the points, broken where a value is null or points are further apart than `gap`. */
function path(points, x, y, gap) {
  let text = "";
  let last = null;
  for (const [at, value] of points) {
    if (value == null) {
      last = null;
      continue;
    }
    text += `${last == null || at - last > gap ? "M" : "L"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
    last = at;
  }
  return text;
}

/** Lag of the ten minutes before `end`, with at least a second as its full height. */
export function spark(points, end, { x, y, width, height }) {
  const known = points.filter(([at, value]) => value != null && at > end - 600);
  const most = known.reduce((most, [, value]) => Math.max(most, value), 0);
  const top = Math.max(1, most);
  const group = svg("g", { class: "spark" });
  group.append(svg("title", {}, `Lag in the last 10 minutes: at most ${duration(most)}`),
    svg("line", { x1: x, y1: y + height, x2: x + width, y2: y + height, class: "base" }));
  const placeX = (at) => x + width - (end - at) / 600 * width;
  const placeY = (value) => y + height - value / top * height;
  const d = path(known, placeX, placeY, 60);
  if (d) group.append(svg("path", { d, class: "curve" }));
  return group;
}

/**
 * A plot of { title, unit, series: [{ name, points }] } with axes over the hour before `end`.
 * `unit` is a key of UNITS.
 */
export function plot({ title, unit, series }, { end, width, height = 150 }) {
  const { word, text } = UNITS[unit];
  const box = { left: 64, right: width - 8, top: 8, bottom: height - 22 };
  const most = Math.max(0, ...series.flatMap(({ points }) => points.map(([, value]) => value ?? 0)));
  const third = (most || 1) / 3;
  const step = unit === "seconds" && third > 30 ? TIME_STEPS.find((one) => one >= third) ?? 86400 * nice(third / 86400) : nice(third);
  const top = Math.max(step, Math.ceil((most || 1) / step - 1e-9) * step);
  const first = Math.min(...series.map(({ points }) => points[0]?.[0] ?? end));
  const [seconds, minutesShown] = WINDOWS.find(([seconds]) => seconds >= end - first) ?? WINDOWS.at(-1);
  const x = (at) => box.right - (end - at) / seconds * (box.right - box.left);
  const y = (value) => box.bottom - value / top * (box.bottom - box.top);
  const now = series.map(({ name, points }) => `${name} ${text(points.at(-1)?.[1] ?? null) ?? "unknown"}`).join(", ");
  const drawing = svg("svg", { class: "plot", role: "img", width, height, viewBox: `0 0 ${width} ${height}`,
    "aria-label": `${title} in ${word} over the last hour. Last: ${now}.` });
  for (let value = 0; value <= top * 1.0001; value += step) {
    drawing.append(svg("line", { x1: box.left, x2: box.right, y1: y(value), y2: y(value), class: value ? "grid" : "axis" }),
      svg("text", { x: box.left - 6, y: y(value) + 4, "text-anchor": "end" }, text(value)));
  }
  for (const minutes of minutesShown.filter((_, place) => width >= 420 || (minutesShown.length - 1 - place) % 2 === 0)) {
    const at = x(end - minutes * 60);
    drawing.append(svg("line", { x1: at, x2: at, y1: box.bottom, y2: box.bottom + 4, class: "axis" }),
      svg("text", { x: at, y: height - 5, "text-anchor": minutes * 60 === seconds ? "start" : minutes ? "middle" : "end" },
        minutes ? `−${minutes} min` : "now"));
  }
  if (!series.some(({ points }) => points.some(([, value]) => value != null))) {
    drawing.append(svg("text", { x: (box.left + box.right) / 2, y: box.bottom / 2, "text-anchor": "middle" }, "nothing to show at this node"));
  }
  series.forEach(({ points }, place) => {
    const shown = points.filter(([at]) => at >= end - seconds);
    const d = path(shown, x, y, 60);
    if (d) drawing.append(svg("path", { d, class: `curve curve-${place}` }));
    const last = shown.at(-1);
    if (last?.[1] != null) drawing.append(svg("circle", { cx: x(last[0]), cy: y(last[1]), r: 2.5, class: `dot curve-${place}` }));
  });
  return drawing;
}
