// One node of the graph, or one folded box: a frame, two lines of text and a bar.

import { svg } from "./elements.js";
import { NODE } from "./layout.js";
import { boxes, lastNode, nodes } from "./record.js";
import { fitted, shapeText, widthOf } from "./text.js";

const MARGIN = 9;
// As explain.css has them, of the page's own family.
const FAMILY = getComputedStyle(document.body).fontFamily;
const TITLE_FONT = `600 13px ${FAMILY}`;
const SUBTITLE_FONT = `10.5px ${FAMILY}`;
const BAR = { margin: 6, height: 4, fromBottom: 7 };

/** The group of an item at x, y, without its bar. */
export function drawNode({ id, width, height }, x, y) {
  const box = boxes.get(id);
  const shape = shapeText(lastNode(id).shape);
  const title = box ? `▸ ${box.title}` : nodes.get(id).title;
  const kind = box ? box.kind : operatorName(nodes.get(id));
  const room = width - 2 * MARGIN;
  const group = svg("g", { class: classesOf(id), tabindex: 0, role: "button" });
  group.dataset.id = id;
  group.setAttribute("aria-label", `${title}, ${kind}, output ${shape}`);
  if (box) {
    group.setAttribute("aria-expanded", "false");
    group.append(svg("rect", { class: "shadow", x: x + 4, y: y + 4, width, height, rx: 7 }));
  }
  group.append(
    svg("rect", { class: "body", x, y, width, height, rx: 7 }),
    svg("text", { class: "title", x: x + MARGIN, y: y + 18 }, fitted(title, TITLE_FONT, room)),
    svg("text", { class: "sub", x: x + MARGIN, y: y + 33 }, subtitle(kind, title, shape, room)),
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

// The shape is said in whole where it fits; what is in its way is the kind.
function subtitle(kind, title, shape, room) {
  if (kind === title) return fitted(shape, SUBTITLE_FONT, room);
  const left = room - widthOf(`  ${shape}`, SUBTITLE_FONT);
  const short = fitted(kind, SUBTITLE_FONT, Math.max(0, left));
  return fitted(`${short}  ${shape}`, SUBTITLE_FONT, room);
}
