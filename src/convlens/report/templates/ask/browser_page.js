// The page of `convlens export --to browser`: images in, answers out, all of it in this browser.

import { Card, listed } from "./answer.js";
import { listenForImages } from "./intake.js";
import { OnnxModel } from "./onnx_model.js";

const FILE = "file:";
const NEAR = { fp32: 1e-3, int8: 0.02 };

const said = document.getElementById("model");
let last = Promise.resolve();

document.addEventListener("DOMContentLoaded", begin);

async function begin() {
  if (location.protocol === FILE) {
    said.textContent =
      "Browsers load models from servers only. In this folder, run: python -m http.server --bind 127.0.0.1";
    return;
  }
  try {
    const model = await OnnxModel.load();
    said.textContent = `${whatItSays(model.card)}.`;
    document.getElementById("drop").hidden = false;
    listenForImages((files) => take(model, files));
    listenForProof(model);
  } catch (error) {
    said.textContent = `The model cannot be loaded: ${error.message}`;
  }
}

function whatItSays({ classes, task }) {
  return { classification: "One of ", multilabel: "Any of ", regression: "" }[task] + listed(classes);
}

/** One image after the other: there is one processor. */
function take(model, files) {
  const cards = files.map((file) => new Card(file, null));
  document.getElementById("answers").prepend(...cards.map((card) => card.figure));
  for (const card of cards) last = last.then(() => answer(model, card));
}

async function answer(model, card) {
  try {
    card.answered(await model.predict(card.file));
  } catch (error) {
    card.refused(error.message);
  }
}

function listenForProof(model) {
  const button = document.getElementById("prove");
  const told = document.getElementById("proof");
  button.hidden = false;
  button.addEventListener("click", () => {
    told.textContent = "Computing …";
    last = last.then(() => prove(model, told));
  });
}

async function prove(model, told) {
  try {
    const largest = await model.proof();
    const images = model.card.golden.length;
    const verdict =
      largest <= NEAR[model.card.precision]
        ? "The model answers here as where it was made"
        : "The model answers here otherwise than where it was made";
    told.textContent = `${verdict}: ${images} made images, largest difference ${largest.toExponential(1)}.`;
  } catch (error) {
    told.textContent = `The model cannot be checked: ${error.message}`;
  }
}
