// Finding nodes and boxes by a part of their names.

import { OUTERMOST, record } from "./record.js";
import { show } from "./selection.js";
import { state } from "./state.js";

/** Shows the next of all that the text is a part of; those that it names exactly come first. */
export function search(text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return;
  const found = matches(wanted);
  document.getElementById("found").textContent = found.length > 0 ? `${found.length} found` : "nothing found";
  if (found.length === 0) return;
  const current = found.findIndex((match) => match.id === state.selected);
  show(found[(current + 1) % found.length].id);
}

function matches(wanted) {
  const candidates = [...record.boxes.filter((box) => box.id !== OUTERMOST), ...record.nodes];
  const found = candidates.filter(({ title, module, operator, id, kind }) =>
    lowered([title, module, operator, id, kind]).some((name) => name.includes(wanted)),
  );
  return found.sort((a, b) => isNamed(b, wanted) - isNamed(a, wanted));
}

function isNamed({ id, title, module }, wanted) {
  return lowered([id, title, module]).includes(wanted);
}

// A box has no operator, and a node no kind.
function lowered(names) {
  return names.filter(Boolean).map((name) => name.toLowerCase());
}
