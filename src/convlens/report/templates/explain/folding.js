// Folding boxes to single nodes, and unfolding them.

import { centerOn, drawGraph, isShown, nearestShown } from "./graph.js";
import { ancestors, OUTERMOST } from "./record.js";
import { state, unfolded } from "./state.js";

/** Folds or unfolds a box. Unless its node was there to be clicked, the view follows what is selected. */
export function toggle(box) {
  const wasNode = isShown(box);
  if (unfolded.has(box)) unfolded.delete(box);
  else unfolded.add(box);
  drawGraph();
  const selected = nearestShown(state.selected);
  if (!wasNode && selected !== null) centerOn(selected);
}

export function foldAll() {
  unfolded.clear();
  unfolded.add(OUTERMOST);
  drawGraph();
}

/** Unfolds all that is around a node or box, and moves the view there. */
export function reveal(id) {
  for (const box of ancestors(id)) unfolded.add(box);
  drawGraph();
  centerOn(id);
}
