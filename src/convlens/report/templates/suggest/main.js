// One image after another gets its label, by keys or by buttons; the labels go into a table.

import { choicesFor, showChoices } from "./choices.js";
import { saveTable } from "./table.js";

const { classes, suggestions } = JSON.parse(document.getElementById("record").textContent);
const labels = suggestions.map(() => "");
const strip = [...document.querySelectorAll("#strip button")];
const name = document.getElementById("name");
const state = { place: 0, unsaved: false };

const KEYS = new Map([
  ["/", () => name.focus()],
  ["ArrowLeft", () => show(state.place - 1)],
  ["ArrowRight", () => show(state.place + 1)],
  ["Delete", () => setLabel("")],
  ["Backspace", () => setLabel("")],
  ["s", save],
]);

listen();
show(0);

function listen() {
  document.addEventListener("keydown", pressed);
  strip.forEach((button, place) => button.addEventListener("click", () => show(place)));
  listenTo("back", "click", () => show(state.place - 1));
  listenTo("skip", "click", () => show(state.place + 1));
  listenTo("clear", "click", () => setLabel(""));
  listenTo("save", "click", save);
  listenTo("other", "submit", (event) => {
    event.preventDefault();
    name.blur();
    if (name.value.trim()) choose(name.value.trim());
  });
  window.addEventListener("beforeunload", (event) => {
    if (state.unsaved) event.preventDefault();
  });
}

function listenTo(id, event, act) {
  document.getElementById(id).addEventListener(event, act);
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === name) {
    if (event.key === "Escape") name.blur();
    return;
  }
  const chosen = choicesFor(suggestions[state.place], classes)[Number(event.key) - 1];
  if (chosen) choose(chosen.name);
  else if (KEYS.has(event.key)) {
    event.preventDefault();
    KEYS.get(event.key)();
  }
}

function choose(label) {
  setLabel(label);
  show(state.place + 1);
}

function setLabel(label) {
  labels[state.place] = label;
  state.unsaved = true;
  strip[state.place].querySelector(".label").textContent = label;
  show(state.place);
}

/** Shows the image at a place, or the nearest there is. */
function show(place) {
  state.place = Math.min(Math.max(place, 0), suggestions.length - 1);
  const one = suggestions[state.place];
  const image = document.getElementById("image");
  image.src = strip[state.place].querySelector("img").src;
  image.alt = one.file;
  document.getElementById("place").textContent = `${state.place + 1} of ${suggestions.length}`;
  document.getElementById("file").textContent = one.file;
  name.value = "";
  strip.forEach((button, at) => button.setAttribute("aria-current", String(at === state.place)));
  showChoices(choicesFor(one, classes), labels[state.place], choose);
  tell();
}

function tell() {
  const done = labels.filter(Boolean).length;
  const label = labels[state.place];
  const here = label ? `This one is ${label}. ` : "";
  document.getElementById("said").textContent = `${here}${done} of ${labels.length} labeled.`;
}

function save() {
  const rows = suggestions.map((one, place) => [one.file, labels[place]]).filter(([, label]) => label);
  if (rows.length === 0) {
    document.getElementById("said").textContent = "Nothing is labeled yet.";
    return;
  }
  saveTable([["file", "label"], ...rows], "labels.csv");
  state.unsaved = false;
}
