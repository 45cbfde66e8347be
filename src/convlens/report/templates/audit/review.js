// The review: which choices were made, in which order, and where it stands. Kept by the browser, if it does so.

import { data } from "./data.js";

const OF_PAGE = `convlens.audit.${data.key}`;
// Choices are kept by image for all audits with these classes: what was kept once is not asked again.
const OF_IMAGES = `convlens.audit.choices.${data.names}`;

export const review = { at: 0, choices: new Map(), history: [], kept: true };

/** Goes on from where it was left. */
export function restore() {
  try {
    const chosen = storedChoices();
    for (const [at, { id }] of data.items.entries()) if (chosen.has(id)) review.choices.set(at, chosen.get(id));
    const { at, history } = JSON.parse(localStorage.getItem(OF_PAGE)) ?? { at: firstOpen(), history: [] };
    review.history = history;
    review.at = Math.min(at, data.items.length - 1);
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

function firstOpen() {
  return Math.max(
    0,
    data.items.findIndex((_, at) => !review.choices.has(at)),
  );
}

function store() {
  try {
    const chosen = storedChoices();
    for (const [at, { id }] of data.items.entries()) {
      if (review.choices.has(at)) chosen.set(id, review.choices.get(at));
      else chosen.delete(id);
    }
    localStorage.setItem(OF_IMAGES, JSON.stringify([...chosen]));
    localStorage.setItem(OF_PAGE, JSON.stringify({ at: review.at, history: review.history }));
  } catch {
    review.kept = false;
  }
}

function storedChoices() {
  return new Map(JSON.parse(localStorage.getItem(OF_IMAGES)));
}
