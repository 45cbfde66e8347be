// The search field, the choice of the metric and the buttons above the graph.

import { foldAll } from "./folding.js";
import { drawGraph, fitGraph } from "./graph.js";
import { search } from "./search.js";
import { state } from "./state.js";
import { step } from "./stepping.js";
import { zoomIn, zoomOut } from "./viewport.js";

export function listenToToolbar() {
  listen("search", "keydown", (event) => {
    if (event.key === "Enter") search(event.target.value);
  });
  listen("metric", "change", (event) => {
    state.metric = event.target.value;
    drawGraph();
  });
  listen("zoom-in", "click", zoomIn);
  listen("zoom-out", "click", zoomOut);
  listen("zoom-fit", "click", fitGraph);
  listen("fold-all", "click", () => {
    foldAll();
    fitGraph();
  });
  listen("step-forward", "click", () => step(1));
  listen("step-back", "click", () => step(-1));
}

function listen(id, event, handler) {
  document.getElementById(id).addEventListener(event, handler);
}
