// The corrected table of labels, as CSV (RFC 4180).

import { data, DROPPED } from "./data.js";
import { review } from "./review.js";

/** A row for each image of the folder but those that were left out. */
export function correctedTable() {
  const chosen = choices();
  const lines = [data.columns];
  for (const [row, [file, label, ...further]] of data.rows.entries()) {
    const choice = chosen.get(row) ?? label;
    if (choice !== DROPPED) lines.push([file, data.classes[choice], ...further]);
  }
  return lines.map((cells) => `${cells.map(quoted).join(",")}\r\n`).join("");
}

/** How many labels were changed and how many images left out, without those that are reviewed blind. */
export function changes() {
  const chosen = [...choices(isOpen)];
  return {
    changed: chosen.filter(([row, choice]) => choice !== DROPPED && choice !== data.rows[row][1]).length,
    dropped: chosen.filter(([, choice]) => choice === DROPPED).length,
  };
}

/** The choice for each row that one was made for, by the items that are wanted. */
function choices(wanted = () => true) {
  const chosen = new Map();
  for (const [at, choice] of [...review.choices].filter(wanted))
    for (const row of data.items[at].rows) chosen.set(row, choice);
  return chosen;
}

function isOpen([at]) {
  return data.items[at].part !== "blind";
}

function quoted(cell) {
  return /[",\r\n]|^\s|\s$/u.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
