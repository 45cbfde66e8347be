// The tab about the network and this page: its size, how its gradients were checked, what it predicts, and the keys.

import { bar, element } from "./elements.js";
import { record } from "./record.js";
import { shortNumber, wholeNumber } from "./text.js";

const KEYS = [
  "arrows: next and previous node",
  "Enter or space: fold and unfold",
  "+ and −: zoom, 0: fit",
  "/: search",
  "f and b: step forward and backward",
];

export function aboutPanel() {
  return [
    element("h2", {}, "About"),
    element("p", {}, sizeText()),
    element("p", {}, checkText()),
    ...guesses(),
    element("h3", {}, "Keys"),
    element("ul", {}, ...KEYS.map((text) => element("li", {}, text))),
    ...record.notes.map((note) => element("p", {}, note)),
    element("p", { class: "soft" }, `Made ${record.made} in ${shortNumber(record.seconds)} s.`),
  ];
}

function sizeText() {
  const parameters = wholeNumber(record.parameters);
  return `${record.network}: ${parameters} parameters, ${wholeNumber(record.multiply_adds)} multiply-adds forward.`;
}

function checkText() {
  const { largest_difference: difference, parameter, compared } = record.check;
  const largest = `${shortNumber(difference)}${parameter ? ` (${parameter})` : ""}`;
  const subject = `Gradients of ${record.target} by the rules of convlens, against autograd`;
  return `${subject}: the largest relative difference over ${compared} parameters is ${largest}.`;
}

function guesses() {
  if (record.guesses.length === 0) return [];
  return [element("h3", {}, "Prediction"), element("table", {}, ...record.guesses.map(guessRow))];
}

function guessRow({ name, number, probability }) {
  const heading = element("th", { scope: "row" }, name);
  if (number !== null) return element("tr", {}, heading, element("td", { class: "n" }, sixDigits(number)));
  return element(
    "tr",
    {},
    heading,
    element("td", { class: "n" }, `${(100 * probability).toFixed(1)}%`),
    element("td", { class: "track" }, bar(probability)),
  );
}

function sixDigits(number) {
  return String(Number(number.toPrecision(6)));
}
