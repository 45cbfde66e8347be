// Small tensors as tables, and channels of large ones as images.

import { element, scrollingTable } from "./elements.js";
import { product, rowsOf } from "./numbers.js";
import { shapeText, shortNumber } from "./text.js";

/** A titled table with a row for each index but the last. */
export function tensorTable(title, numbers, shape) {
  const rows = rowsOf(flat(numbers), shape.at(-1) ?? 1);
  return [element("h4", {}, `${title}, ${shapeText(shape)}`), tableOf(rows, exactCell)];
}

/** The local gradient ∂y/∂u as a matrix: a row for each index of y, a column for each of u. */
export function localGradientTable(local, outputShape) {
  const values = flat(local.numbers);
  const rows = rowsOf(values, values.length / product(outputShape));
  return tableOf(rows, cellOrZero);
}

/** Some channels of a tensor as one image of tiles. */
export function channelImage(title, maps, alternative) {
  const channels = maps.channels.length > 1 ? `channels ${maps.channels.join(", ")}` : "";
  return [
    element("h4", {}, title),
    element("img", { class: "maps", src: maps.image, alt: `${alternative}, ${channels}` }),
    element("p", { class: "soft" }, `${channels}${maps.signed ? "; blue is negative, orange positive" : ""}`),
  ];
}

// The number in full is there for scripts and for those who inspect the page.
function exactCell(value) {
  return element("td", { class: "n", "data-value": value }, shortNumber(value));
}

// Most elements of a local gradient are zeros, and are drawn faintly.
function cellOrZero(value) {
  return element("td", { class: value === 0 ? "n zero" : "n" }, shortNumber(value));
}

// A tensor of no dimensions is a number.
function flat(numbers) {
  return [numbers].flat(Infinity);
}

function tableOf(rows, cell) {
  return scrollingTable(
    { class: "tensor" },
    rows.map((row) => element("tr", {}, ...row.map(cell))),
  );
}
