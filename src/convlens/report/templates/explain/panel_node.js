// The tab about one node or box: what it is, and what it does forward and backward.

import { element, on } from "./elements.js";
import { toggle } from "./folding.js";
import { backwardPart } from "./panel_backward.js";
import { forwardPart } from "./panel_forward.js";
import { boxes } from "./record.js";
import { describedNode } from "./selection.js";
import { change, state, unfolded } from "./state.js";
import { phase, stepText } from "./stepping.js";
import { fieldText, shapeText, shortNumber, wholeNumber } from "./text.js";

export function nodePanel() {
  const node = describedNode();
  const box = boxes.get(state.selected);
  const content = [element("h2", {}, box ? box.title : node.title)];
  if (phase() !== null) content.unshift(element("p", { class: "phase" }, stepText()));
  if (box) content.push(boxLine(box, node));
  content.push(factList(node, box ?? node));
  if (phase() !== "backward") content.push(...forwardPart(node));
  if (phase() !== "forward") content.push(...backwardPart(node));
  if (node.source) content.push(element("p", { class: "source" }, node.source));
  return content;
}

function boxLine(box, node) {
  const button = element("button", { "data-part": "toggle" }, unfolded.has(box.id) ? "fold" : "unfold");
  on(button, "click", () => {
    toggle(box.id);
    change();
  });
  const text = `Module ${box.kind}; what follows is of its last operator, ${node.title}. `;
  return element("p", {}, text, button);
}

// Costs are those of the whole box; everything else is the node's.
function factList(node, cost) {
  const facts = [
    ["operator", node.operator],
    ["output", shapeText(node.shape)],
    ["parameters", cost.parameters && wholeNumber(cost.parameters)],
    ["multiply-adds", cost.multiply_adds && wholeNumber(cost.multiply_adds)],
    ["memory of the output", `${shortNumber(cost.activation_bytes)}B`],
    ["receptive field", node.field && fieldText(node.field)],
    ["state", cost.state],
    ["cut", node.cut && "this value is stored; what leads to it ran once per image"],
    ["module", node.module],
  ];
  const known = facts.filter(([, value]) => value);
  return element("dl", {}, ...known.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}
