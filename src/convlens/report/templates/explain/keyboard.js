// Keys of the whole page; inside fields for text or a choice they keep their own meaning.

import { toggle } from "./folding.js";
import { centerOn, fitGraph, focusedId, focusOn, idOf, neighborOf } from "./graph.js";
import { boxes } from "./record.js";
import { choose } from "./selection.js";
import { change, state } from "./state.js";
import { step } from "./stepping.js";
import { zoomIn, zoomOut } from "./viewport.js";

const ACTIONS = {
  ArrowDown: () => moveTo(1),
  ArrowUp: () => moveTo(-1),
  "+": zoomIn,
  "-": zoomOut,
  0: fitGraph,
  "/": () => document.getElementById("search").focus(),
  f: () => step(1),
  b: () => step(-1),
  Enter: press,
  " ": press,
};

export function listenToKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || hasOwnMeaning(event)) return;
    const action = ACTIONS[event.key];
    if (!action) return;
    event.preventDefault();
    action(event);
  });
}

function hasOwnMeaning({ key, target }) {
  if (target.matches("input, select, textarea")) return true;
  if (key === "Enter") return target.matches("button");
  return key === " " && !pressed(target);
}

function moveTo(distance) {
  const next = neighborOf(state.selected, distance);
  choose(next);
  centerOn(next);
  if (focusedId() !== null) focusOn(next);
}

/** Folds or unfolds the box that has the focus, or else the one that is selected. */
function press({ target }) {
  const drawn = pressed(target);
  if (drawn) choose(idOf(drawn));
  if (!boxes.has(state.selected)) return;
  toggle(state.selected);
  change();
}

function pressed(target) {
  return target.closest("[data-id], [data-box]");
}
