// The page of `convlens explain`. All that it shows stands in the record inside the page; it asks nothing of anybody.

import { drawGraph, fitGraph } from "./graph.js";
import { listenToKeys } from "./keyboard.js";
import { drawPanel, listenToTabs } from "./panel.js";
import { listenToPointers } from "./pointer.js";
import { record } from "./record.js";
import { select } from "./selection.js";
import { onChange } from "./state.js";
import { listenToToolbar } from "./toolbar.js";

onChange(drawPanel);
listenToToolbar();
listenToTabs();
listenToPointers();
listenToKeys();

drawGraph();
fitGraph();
select(record.nodes.at(-1).id);
