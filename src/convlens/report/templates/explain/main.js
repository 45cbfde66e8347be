// The page of `convlens explain`. All that it shows stands in the record inside the page; it asks nothing of anybody.

import { drawGraph, fitGraph } from "./graph.js";
import { listenToKeys } from "./keyboard.js";
import { drawPanel, listenToTabs } from "./panel.js";
import { listenToPointers } from "./pointer.js";
import { record } from "./record.js";
import { select } from "./selection.js";
import { onChange, state } from "./state.js";
import { listenToToolbar } from "./toolbar.js";

onChange(drawPanel);
listenToToolbar();
listenToTabs();
listenToPointers();
listenToKeys();

// The image and what the prediction rests on come first, where there is an image.
if (record.image) state.tab = "image";
if (record.grad_cam) state.overlay = "cam";

drawGraph();
fitGraph();
select(record.nodes.at(-1).id);
