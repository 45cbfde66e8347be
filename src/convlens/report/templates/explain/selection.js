// The node or box that the panel describes.

import { reveal } from "./folding.js";
import { markSelected } from "./graph.js";
import { lastNode, record } from "./record.js";
import { change, state } from "./state.js";

// Overlays of the image that belong to the selected node.
const OF_NODES = new Set(["field", "effective"]);

export function select(id) {
  state.selected = id;
  markSelected();
  change();
}

/** Selects what was clicked or reached by keys; the image stays beside it only where it shows what a node sees. */
export function choose(id) {
  const follows = state.tab !== "image" || OF_NODES.has(state.overlay);
  if (!follows) state.tab = "node";
  select(id);
}

/** Selects a node or box wherever it is folded away, and opens the tab that describes it. */
export function show(id) {
  state.tab = "node";
  state.selected = id;
  reveal(id);
  select(id);
}

/** The node that the panel describes: what is selected, or the last node inside, or the first of all. */
export function describedNode() {
  return lastNode(state.selected) ?? record.nodes[0];
}
