// The page of `convlens serve`: images in, answers out, by the service that it came from.

import { Card, listed } from "./answer.js";
import { listenForImages } from "./intake.js";
import { explain, model, predict, useToken } from "./service.js";

const AT_ONCE = 4;
const waiting = [];
let asked = 0;
let explains = false;

const tokenForm = document.getElementById("token");
tokenForm.addEventListener("submit", (event) => {
  event.preventDefault();
  useToken(tokenForm.querySelector("input").value);
  void begin();
});
listenForImages(take);
void begin();

/** Says what the model is; asks for a token where the service wants one. */
async function begin() {
  const said = document.getElementById("model");
  try {
    const told = await model();
    tokenForm.hidden = true;
    explains = told.explains;
    document.getElementById("drop").hidden = false;
    said.textContent = `${told.network}: ${whatItSays(told)}. ${told.runtime}, ${told.precision}.`;
    document.title = `${told.network} – convlens`;
  } catch (error) {
    said.textContent = error.message;
    tokenForm.hidden = error.status !== 401;
    tokenForm.querySelector("input").focus();
  }
}

function whatItSays(told) {
  const kinds = { classification: "one of", multilabel: "any of", regression: "numbers" };
  return `${kinds[told.task]} ${listed(told.classes)}`;
}

function take(files) {
  const cards = files.map((file) => new Card(file, explains ? explain : null));
  document.getElementById("answers").prepend(...cards.map((card) => card.figure));
  waiting.push(...cards);
  while (asked < AT_ONCE && waiting.length > 0) void answerNext();
}

async function answerNext() {
  const card = waiting.shift();
  asked += 1;
  try {
    card.answered(await predict(card.file));
  } catch (error) {
    card.refused(error.message);
  }
  asked -= 1;
  if (waiting.length > 0) void answerNext();
}
