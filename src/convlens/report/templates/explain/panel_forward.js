// What a node does forward: its formula, its arguments and its value.

import { element } from "./elements.js";
import { histogram } from "./histogram.js";
import { channelImage, tensorTable } from "./tensor.js";

export function forwardPart(node) {
  const content = [element("h3", {}, "Forward")];
  if (node.formula) content.push(element("p", { class: "formula" }, node.formula));
  if (node.arguments.length > 0) content.push(argumentList(node.arguments));
  if (node.filters) content.push(...channelImage("Filters", node.filters, `the first filters of ${node.title}`));
  content.push(...histogram(node.value, "value"));
  if (node.maps)
    content.push(...channelImage("Feature maps", node.maps, `the strongest feature maps of ${node.title}`));
  if (node.numbers !== null) content.push(...tensorTable("Value", node.numbers, node.shape));
  return content;
}

function argumentList(texts) {
  return element("ul", { class: "arguments" }, ...texts.map((text) => element("li", {}, text)));
}
