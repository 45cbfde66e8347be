// The chart of the gradient's size by depth, on a logarithmic scale.

import { on, svg } from "./elements.js";
import { nodes } from "./record.js";
import { show } from "./selection.js";
import { shortNumber } from "./text.js";

const WIDTH = 420;
const HEIGHT = 240;
const MARGIN = { left: 44, right: 8, top: 8, bottom: 32 };
const MOST_TICKS = 6;

/** The chart of one flow, or of two; the nodes of the first are those of the graph, and shown on a click. */
export function flowChart(flows) {
  const scale = scaleOf(flows);
  return svg(
    "svg",
    { class: "flow", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": "size of the gradient by depth" },
    ...sizeAxis(scale),
    ...flows.flatMap((flow, i) => series(flow, i, scale)),
    depthAxis(),
  );
}

// Powers of ten around all sizes, at least one decade.
function scaleOf(flows) {
  const sizes = flows.flatMap(({ points }) => points.map((point) => point.size)).filter((size) => size > 0);
  const low = Math.floor(Math.log10(Math.min(...sizes)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...sizes))));
  const height = HEIGHT - MARGIN.top - MARGIN.bottom;
  return {
    low,
    high,
    x: (depth) => MARGIN.left + depth * (WIDTH - MARGIN.left - MARGIN.right),
    y: (size) => MARGIN.top + ((high - Math.log10(size)) / (high - low)) * height,
  };
}

function sizeAxis({ low, high, y }) {
  const parts = [];
  for (let power = low; power <= high; power += Math.max(1, Math.round((high - low) / MOST_TICKS))) {
    const height = y(10 ** power);
    const label = { class: "tick", x: MARGIN.left - 6, y: height + 4, "text-anchor": "end" };
    const line = { class: "grid", x1: MARGIN.left, x2: WIDTH - MARGIN.right, y1: height, y2: height };
    parts.push(svg("line", line), svg("text", label, `1e${power}`));
  }
  return parts;
}

function depthAxis() {
  const label = { class: "tick", x: (WIDTH + MARGIN.left) / 2, y: HEIGHT - 6, "text-anchor": "middle" };
  return svg("text", label, "input  ←  depth  →  output");
}

// A size of zero has no logarithm, and so no place.
function series(flow, index, { x, y }) {
  const points = flow.points.filter((point) => point.size > 0);
  const line = points.map((point) => `${x(point.depth)},${y(point.size)}`).join(" ");
  const dots = points.map((point) => {
    const isShown = index === 0;
    const position = { cx: x(point.depth), cy: y(point.size), r: isShown ? 3 : 2 };
    const name = (isShown && nodes.get(point.node)?.title) || point.node;
    const title = svg("title", {}, `${flow.network}, ${name}: ${shortNumber(point.size)}`);
    const dot = svg("circle", { class: `dot series${index}`, ...position }, title);
    return isShown ? on(dot, "click", () => show(point.node)) : dot;
  });
  return [svg("polyline", { class: `line series${index}`, points: line }), ...dots];
}
