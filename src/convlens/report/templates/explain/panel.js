// The panel beside the graph: the tab that is open, and its content.

import { aboutPanel } from "./panel_about.js";
import { flowPanel } from "./panel_flow.js";
import { imagePanel } from "./panel_image.js";
import { nodePanel } from "./panel_node.js";
import { change, state } from "./state.js";

const CONTENTS = { node: nodePanel, image: imagePanel, flow: flowPanel, about: aboutPanel };

const panel = document.getElementById("panel");
const tabs = [...document.querySelectorAll("[data-tab]")];

export function drawPanel() {
  for (const tab of tabs) markTab(tab);
  const hadFocus = document.activeElement?.closest("#panel");
  const part = document.activeElement?.dataset.part;
  panel.replaceChildren(...CONTENTS[state.tab]());
  // What had the focus is gone; its successor has the same part, where there is one.
  if (hadFocus) (panel.querySelector(`[data-part="${part}"]`) ?? panel).focus({ preventScroll: true });
}

/** Opens tabs by click, by arrows, and by Home and End. */
export function listenToTabs() {
  tabs.forEach((tab, i) => {
    tab.addEventListener("click", () => openTab(tab));
    tab.addEventListener("keydown", (event) => {
      const target = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: tabs.length - 1 }[event.key];
      if (target === undefined) return;
      event.preventDefault();
      const next = tabs.at(target % tabs.length);
      openTab(next);
      next.focus();
    });
  });
}

function openTab(tab) {
  change({ tab: tab.dataset.tab });
}

function markTab(tab) {
  const open = tab.dataset.tab === state.tab;
  tab.setAttribute("aria-selected", String(open));
  tab.tabIndex = open ? 0 : -1;
  if (open) panel.setAttribute("aria-labelledby", tab.id);
}
