// The mouse, the wheel and fingers on the canvas.

import { toggle } from "./folding.js";
import { boxes } from "./record.js";
import { choose } from "./selection.js";
import { change, state, unfolded } from "./state.js";
import { canvas, pan, zoom } from "./viewport.js";

// How far the wheel turns for a factor of e.
const WHEEL_PER_ZOOM = 200;

// Pointers that are down, by their identifiers: where they were last.
const pointers = new Map();

export function listenToPointers() {
  canvas.addEventListener("click", click);
  canvas.addEventListener("dblclick", unfoldClicked);
  canvas.addEventListener("wheel", turnWheel, { passive: false });
  canvas.addEventListener("pointerdown", (event) => pointers.set(event.pointerId, pointOf(event)));
  canvas.addEventListener("pointermove", movePointer);
  for (const name of ["pointerup", "pointercancel", "pointerleave"])
    canvas.addEventListener(name, (event) => pointers.delete(event.pointerId));
}

// The head of an unfolded box folds it. A node is selected first; a second click unfolds it, where it is a box.
function click(event) {
  const box = event.target.closest("[data-box]")?.dataset.box;
  const id = event.target.closest("[data-id]")?.dataset.id;
  if (box !== undefined) {
    state.selected = box;
    toggle(box);
    change();
  } else if (id !== undefined) {
    const wasSelected = state.selected === id;
    choose(id);
    if (wasSelected && boxes.has(id)) toggle(id);
  }
}

function unfoldClicked(event) {
  const id = event.target.closest("[data-id]")?.dataset.id;
  if (boxes.has(id) && !unfolded.has(id)) toggle(id);
}

function turnWheel(event) {
  event.preventDefault();
  if (event.ctrlKey || event.metaKey) zoom(Math.exp(-event.deltaY / WHEEL_PER_ZOOM), event.offsetX, event.offsetY);
  else pan(-event.deltaX, -event.deltaY);
}

function movePointer(event) {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const now = pointOf(event);
  const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
  if (other) pinch(before, now, other);
  else pan(now.x - before.x, now.y - before.y);
  pointers.set(event.pointerId, now);
}

/** Zooms by what the distance of two fingers changed, around the point between them. */
function pinch(before, now, other) {
  const area = canvas.getBoundingClientRect();
  const middle = { x: (now.x + other.x) / 2 - area.left, y: (now.y + other.y) / 2 - area.top };
  zoom(distance(now, other) / Math.max(1, distance(before, other)), middle.x, middle.y);
}

function distance(a, b) {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

function pointOf(event) {
  return { x: event.clientX, y: event.clientY };
}
