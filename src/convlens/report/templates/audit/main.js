// The page of `convlens audit`: labels are reviewed by keys, and the corrected table is downloaded.

import { choose, restore, review, show, undo } from "./review.js";
import { data, DROPPED } from "./data.js";
import { draw, drawOnce } from "./view.js";
import { correctedTable } from "./table.js";

const KEYS = {
  k: () => chooseRole("given"),
  r: () => chooseRole("suggested"),
  c: () => document.getElementById("class").focus(),
  d: () => decide(DROPPED),
  u: () => change(undo),
  ArrowRight: () => change(() => show(review.at + 1)),
  ArrowLeft: () => change(() => show(review.at - 1)),
  n: () => change(() => show(review.at + 1)),
  p: () => change(() => show(review.at - 1)),
  s: download,
};

if (data.items.length > 0) start();
document.getElementById("download").addEventListener("click", download);

function start() {
  restore();
  drawOnce((part) => change(() => show(data.items.findIndex((item) => item.part === part))));
  listen();
  document.getElementById("review").hidden = false;
  redraw();
}

function redraw() {
  draw(decide);
}

function change(action) {
  action();
  redraw();
  document.getElementById("review").scrollIntoView({ block: "nearest" });
}

function decide(choice) {
  change(() => choose(choice));
}

function chooseRole(role) {
  const card = data.items[review.at].cards.find((one) => one.role === role);
  if (card) decide(card.class);
}

function chooseOther() {
  const select = document.getElementById("class");
  select.blur();
  decide(Number(select.value));
}

function listen() {
  const actions = { given: KEYS.k, suggested: KEYS.r, drop: KEYS.d, undo: KEYS.u, back: KEYS.p, on: KEYS.n };
  for (const [id, action] of Object.entries(actions)) document.getElementById(id).addEventListener("click", action);
  document.getElementById("other").addEventListener("click", chooseOther);
  document.getElementById("class").addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      chooseOther();
    } else if (event.key === "Escape") event.target.blur();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
    const action = KEYS[event.key] ?? cardAction(Number(event.key));
    if (!action) return;
    event.preventDefault();
    action();
  });
}

/** What a digit does: it chooses the class of that card. */
function cardAction(digit) {
  const card = data.items[review.at].cards[digit - 1];
  return card ? () => decide(card.class) : null;
}

function download() {
  const address = URL.createObjectURL(new Blob([correctedTable()], { type: "text/csv" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = "corrected.csv";
  link.click();
  URL.revokeObjectURL(address);
}
