// The walk through all nodes: forward in the order of execution, then backward.

import { record } from "./record.js";
import { show } from "./selection.js";
import { change, state } from "./state.js";

const count = record.nodes.length;

/** "forward" or "backward", or null before the walk. */
export function phase() {
  if (state.step < 0) return null;
  return state.step < count ? "forward" : "backward";
}

export function stepText() {
  return phase() === "forward"
    ? `Forward, step ${state.step + 1} of ${count}`
    : `Backward, step ${state.step - count + 1} of ${count}`;
}

/** Goes so many steps on, or back for a negative number, and shows the node there. */
export function step(distance) {
  const next = Math.max(-1, state.step + distance);
  if (next >= 2 * count) return;
  state.step = next;
  if (next < 0) change({ tab: "node" });
  else show(record.nodes[next < count ? next : 2 * count - 1 - next].id);
}
