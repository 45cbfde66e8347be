// One node of the graph, or one folded box: a frame, two lines of text and a bar.

import { svg } from "./elements.js";
import { NODE } from "./layout.js";
import { boxes, lastNode, nodes } from "./record.js";
import { clipped, shapeText } from "./text.js";

const MOST_OF_TITLE = 26;
const MOST_OF_SUBTITLE = 34;
const BAR = { margin: 6, height: 4, fromBottom: 7 };

/** The group of an item at x, y, without its bar. */
export function drawNode({ id, width, height }, x, y) {
  const box = boxes.get(id);
  const shape = shapeText(lastNode(id).shape);
  const title = box ? `▸ ${box.title}` : nodes.get(id).title;
  const kind = box ? box.kind : operatorName(nodes.get(id));
  const group = svg("g", { class: classesOf(id), tabindex: 0, role: "button" });
  group.dataset.id = id;
  group.setAttribute("aria-label", `${title}, ${kind}, output ${shape}`);
  if (box) {
    group.setAttribute("aria-expanded", "false");
    group.append(svg("rect", { class: "shadow", x: x + 4, y: y + 4, width, height, rx: 7 }));
  }
  group.append(
    svg("rect", { class: "body", x, y, width, height, rx: 7 }),
    svg("text", { class: "title", x: x + 9, y: y + 18 }, clipped(title, MOST_OF_TITLE)),
    svg("text", { class: "sub", x: x + 9, y: y + 33 }, clipped(subtitle(kind, title, shape), MOST_OF_SUBTITLE)),
  );
  return group;
}

/** A bar for the node at x, y: the fraction of the largest amount. */
export function drawBar(fraction, x, y) {
  return svg("rect", {
    class: "bar",
    x: x + BAR.margin,
    y: y + NODE.height - BAR.fromBottom,
    width: (NODE.width - 2 * BAR.margin) * Math.max(0, fraction),
    height: BAR.height,
    rx: 2,
  });
}

function classesOf(id) {
  const { state } = nodes.get(id) || boxes.get(id);
  return `node ${state}${boxes.has(id) ? " folded" : ""}${lastNode(id).cut ? " cut" : ""}`;
}

function operatorName(node) {
  return node.operator === "input" ? "input" : node.operator.split(".")[1];
}

function subtitle(kind, title, shape) {
  return kind === title ? shape : `${kind}  ${shape}`;
}
