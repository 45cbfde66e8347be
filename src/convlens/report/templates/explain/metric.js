// What the bar of a node or of a folded box stands for.

import { product } from "./numbers.js";
import { boxes, lastNode, nodes } from "./record.js";
import { state } from "./state.js";

/** The amount of the chosen metric; costs are those of all that is in a box, sizes those of its last node. */
export function amountOf(id) {
  const { upstream, value, shape } = lastNode(id);
  if (state.metric === "gradient") return upstream ? rootMeanSquare(upstream, shape) : 0;
  if (state.metric === "activation") return value ? rootMeanSquare(value, shape) : 0;
  return (nodes.get(id) || boxes.get(id))[state.metric];
}

function rootMeanSquare(statistics, shape) {
  return statistics.norm / Math.sqrt(Math.max(1, product(shape)));
}
