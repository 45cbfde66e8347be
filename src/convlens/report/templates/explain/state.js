// What the reader has chosen, and who is told when it changes.

import { record } from "./record.js";

export const state = {
  selected: null,
  // Of the walk through all nodes, forward and then backward; -1 before its start.
  step: -1,
  metric: "multiply_adds",
  tab: "node",
  overlay: "field",
  // The point of the image, [y, x] in pixels, that the receptive field follows; null for its middle.
  point: null,
};

export const unfolded = new Set(record.boxes.filter((box) => box.unfolded).map((box) => box.id));

const listeners = [];

/** Calls the listener after every change. */
export function onChange(listener) {
  listeners.push(listener);
}

/** Takes over the values, then calls the listeners. */
export function change(values) {
  Object.assign(state, values);
  for (const listener of listeners) listener();
}
