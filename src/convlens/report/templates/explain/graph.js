// The drawing of the graph: boxes, nodes and edges, what is selected, and what has the focus.

import { drawEdge } from "./edge.js";
import { svg } from "./elements.js";
import { isPass, layOut, NODE } from "./layout.js";
import { amountOf } from "./metric.js";
import { fractionsOfLargest } from "./numbers.js";
import { drawBar, drawNode } from "./node.js";
import { ancestors, boxes, OUTERMOST } from "./record.js";
import { state, unfolded } from "./state.js";
import { applyView, canvas, fitWidth, moveToCenter } from "./viewport.js";

// Identifier of what is drawn as a node -> its group and the corner where it stands.
const shown = new Map();
let width = 0;

/** Draws everything again. What had the focus keeps it, where it is still there. */
export function drawGraph() {
  const focused = focusedId();
  const outermost = layOut(OUTERMOST, boxes, unfolded);
  const content = svg("g", { id: "content" });
  shown.clear();
  ({ width } = outermost);
  placeContents(outermost, 0, 0, content);
  addBars();
  canvas.replaceChildren(content);
  applyView();
  markSelected();
  if (focused !== null) focusOn(focused);
}

/** What is drawn for a node or box: itself, or the folded box around it; null where neither is. */
export function nearestShown(id) {
  return [id, ...ancestors(id)].find((around) => shown.has(around)) ?? null;
}

export function isShown(id) {
  return shown.has(id);
}

/** What is drawn by so many places below another, or above for a negative number, at most the last. */
export function neighborOf(id, distance) {
  const order = [...shown].sort(([, a], [, b]) => a.y - b.y || a.x - b.x).map(([name]) => name);
  const wanted = order.indexOf(nearestShown(id)) + distance;
  return order[Math.min(order.length - 1, Math.max(0, wanted))];
}

export function markSelected() {
  for (const { group } of shown.values()) group.classList.remove("selected");
  shown.get(nearestShown(state.selected))?.group.classList.add("selected");
}

/** Focuses the same node, the head or the folded node of the same box, or what is folded around it. */
export function focusOn(id) {
  const same = [...canvas.querySelectorAll("[data-id], [data-box]")].find((drawn) => idOf(drawn) === id);
  const target = same ?? shown.get(nearestShown(id))?.group;
  target?.focus({ preventScroll: true });
}

/** The node or box that an element of the graph stands for. */
export function idOf(drawn) {
  return drawn.dataset.id ?? drawn.dataset.box;
}

/** The node or box that has the focus, or null. */
export function focusedId() {
  const focused = document.activeElement?.closest("#graph [data-id], #graph [data-box]");
  return focused ? idOf(focused) : null;
}

export function centerOn(id) {
  const corner = shown.get(id);
  if (corner) moveToCenter(corner.x + NODE.width / 2, corner.y + NODE.height / 2);
}

export function fitGraph() {
  fitWidth(width);
}

function placeContents(item, x, y, parent) {
  const items = new Map(item.items.map((child) => [child.id, child]));
  for (const route of item.routes) parent.append(drawEdge(route, items, item, x, y));
  for (const child of item.items) place(child, x + child.x, y + child.y, parent);
}

function place(item, x, y, parent) {
  if (item.items) {
    parent.append(...drawFrame(item, x, y));
    placeContents(item, x, y, parent);
  } else if (!isPass(item.id)) {
    const group = drawNode(item, x, y);
    parent.append(group);
    shown.set(item.id, { group, x, y });
  }
}

function drawFrame(item, x, y) {
  const box = boxes.get(item.id);
  const frame = svg("rect", { class: `box ${box.state}`, x, y, width: item.width, height: item.height, rx: 8 });
  const title = svg("text", { class: "box-title", x: x + 10, y: y + 17 }, `▾ ${box.title}  ·  ${box.kind}`);
  const label = `${box.title}, ${box.kind}`;
  const head = svg(
    "g",
    { class: "head", role: "button", tabindex: 0, "aria-expanded": true, "aria-label": label },
    title,
  );
  head.dataset.box = item.id;
  return [frame, head];
}

function addBars() {
  const fractions = fractionsOfLargest([...shown.keys()].map(amountOf));
  [...shown.values()].forEach(({ group, x, y }, i) => group.append(drawBar(fractions[i], x, y)));
}
