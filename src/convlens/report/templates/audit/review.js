// The review: which choices were made, in which order, and where it stands. Kept by the browser, if it does so.

import { data } from "./data.js";

const KEY = `convlens.audit.${data.key}`;

export const review = { at: 0, choices: new Map(), history: [], kept: true };

/** Goes on from where it was left. */
export function restore() {
  try {
    const stored = JSON.parse(localStorage.getItem(KEY));
    if (stored === null) return;
    review.choices = new Map(stored.choices);
    review.history = stored.history;
    review.at = Math.min(stored.at, data.items.length - 1);
  } catch {
    review.kept = false;
  }
}

/** Gives the image that is shown this class, or leaves it out, and goes on to the next one without a choice. */
export function choose(choice) {
  review.history.push([review.at, review.choices.get(review.at) ?? null]);
  review.choices.set(review.at, choice);
  goOn();
  store();
}

/** Takes the last choice back and shows its image. */
export function undo() {
  const last = review.history.pop();
  if (last === undefined) return;
  const [at, before] = last;
  if (before === null) review.choices.delete(at);
  else review.choices.set(at, before);
  review.at = at;
  store();
}

/** Shows another image. */
export function show(at) {
  review.at = Math.max(0, Math.min(data.items.length - 1, at));
  store();
}

function goOn() {
  const count = data.items.length;
  for (let step = 1; step < count; step += 1) {
    const next = (review.at + step) % count;
    if (!review.choices.has(next)) {
      review.at = next;
      return;
    }
  }
}

function store() {
  try {
    const { at, choices, history } = review;
    localStorage.setItem(KEY, JSON.stringify({ at, choices: [...choices], history }));
  } catch {
    review.kept = false;
  }
}
