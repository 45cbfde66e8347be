// The part of the graph that is seen: where its origin stands on the canvas, and its scale.

export const canvas = document.getElementById("graph");

const SMALLEST = 0.08;
const LARGEST = 3;
const STEP = 1.25;
const MARGIN = 12;

const view = { x: 20, y: 20, scale: 1 };

/** Moves what is drawn to where the view has it. */
export function applyView() {
  const content = document.getElementById("content");
  content.setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.scale})`);
}

export function pan(dx, dy) {
  setView({ ...view, x: view.x + dx, y: view.y + dy });
}

/** Scales by the factor; the point x, y of the canvas stays where it is. */
export function zoom(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
  const scale = Math.min(LARGEST, Math.max(SMALLEST, view.scale * factor));
  const ratio = scale / view.scale;
  setView({ x: x - (x - view.x) * ratio, y: y - (y - view.y) * ratio, scale });
}

export function zoomIn() {
  zoom(STEP);
}

export function zoomOut() {
  zoom(1 / STEP);
}

/** Shows a graph of this width whole, from its top, and never enlarged. */
export function fitWidth(width) {
  const scale = Math.min(1, (canvas.clientWidth - 2 * MARGIN) / width);
  setView({ x: Math.max(MARGIN, (canvas.clientWidth - width * scale) / 2), y: MARGIN, scale });
}

/** Moves the point x, y of the graph to the middle of the canvas. */
export function moveToCenter(x, y) {
  setView({
    ...view,
    x: canvas.clientWidth / 2 - x * view.scale,
    y: canvas.clientHeight / 2 - y * view.scale,
  });
}

function setView(values) {
  Object.assign(view, values);
  applyView();
}
