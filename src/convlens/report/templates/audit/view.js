// What is shown of the review.

import { data, DROPPED, fileOf, labelOf, source } from "./data.js";
import { changes } from "./table.js";
import { review } from "./review.js";

const PARTS = {
  certain: {
    title: "Two labels",
    asked: "The same image stands under several labels. Which is right?",
  },
  suspect: { title: "Likely wrong", asked: "Is the label right?" },
  blind: {
    title: "Blind",
    asked: "Which of the two is it? One is its label; which one is not said, and many of these labels are not suspect.",
  },
  doubt: { title: "In doubt", asked: "Less likely wrong: is the label right?" },
};
const ROLES = { given: "its label", suggested: "suggested", "": "" };

/** An element; children that are null are left out. Text from outside becomes a text node, never parsed. */
function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** Shows the image at which the review stands. */
export function draw(onCard) {
  const item = data.items[review.at];
  const choice = review.choices.get(review.at);
  drawImage(item);
  byId("asked").textContent = PARTS[item.part].asked;
  byId("cards").replaceChildren(...item.cards.map((card, place) => cardOf(card, place, choice, onCard)));
  byId("said").textContent = toldOf(item, choice);
  for (const role of ["given", "suggested"]) byId(role).hidden = !item.cards.some((card) => card.role === role);
  byId("class").value = String(item.cards[0].class);
  byId("undo").disabled = review.history.length === 0;
  drawProgress(item);
}

function drawImage(item) {
  // The path of a file may name its class.
  const name = item.part === "blind" ? "" : fileOf(item);
  const more = item.rows.length - 1;
  byId("image").hidden = item.image === null;
  if (item.image !== null) byId("image").src = source(item.image);
  byId("image").alt = name || "An image of the sealed side";
  byId("file").textContent = more && name ? `${name} and ${more} more with the same bytes` : name;
}

function cardOf(card, place, choice, onCard) {
  const name = element("bdi", { class: "class" }, data.classes[card.class]);
  const share = card.probability === null ? "" : `${(100 * card.probability).toFixed(1)}%`;
  const role = element("span", { class: "soft small" }, [ROLES[card.role], share].filter(Boolean).join(" · "));
  const pressed = String(choice === card.class);
  const button = element(
    "button",
    { type: "button", "aria-pressed": pressed },
    element("kbd", {}, String(place + 1)),
    name,
    role,
  );
  button.addEventListener("click", () => onCard(card.class));
  const nearest = card.near.map(([row, image, similarity]) => nearOf(row, image, similarity));
  const label = card.near.length > 0 ? element("p", { class: "soft small" }, "Most like it of this class:") : null;
  return element("div", { class: "card" }, button, label, element("div", { class: "near" }, ...nearest));
}

function nearOf(row, image, similarity) {
  const [file] = data.rows[row];
  const shown = image === null ? null : element("img", { src: source(image), alt: file });
  return element("figure", { title: file }, shown, element("figcaption", {}, similarity.toFixed(2)));
}

function toldOf(item, choice) {
  if (choice === undefined) return "";
  if (choice === DROPPED) return "Dropped: not in the table.";
  if (item.part === "blind") return "Answered.";
  return choice === labelOf(item) && item.part !== "certain" ? "Kept." : `Labeled ${data.classes[choice]}.`;
}

function drawProgress(item) {
  const [done, all] = [review.choices.size, data.items.length];
  byId("bar").value = done;
  byId("progress").textContent = `${review.at + 1} of ${all} shown · ${done} answered`;
  const { changed, dropped } = changes();
  byId("changes").textContent =
    `${changed} ${changed === 1 ? "label" : "labels"} changed, ${dropped} ${dropped === 1 ? "image" : "images"} dropped.`;
  byId("all-done").hidden = done < all;
  byId("not-kept").hidden = review.kept;
  for (const button of byId("parts").children) {
    button.setAttribute("aria-current", String(button.dataset.part === item.part));
    button.lastChild.textContent = ` ${doneOf(button.dataset.part)}`;
  }
}

function doneOf(part) {
  const places = [...data.items.keys()].filter((at) => data.items[at].part === part);
  return `${places.filter((at) => review.choices.has(at)).length}/${places.length}`;
}

/** A button for each part that has images, and the classes to choose from. */
export function drawOnce(onPart) {
  const there = Object.keys(PARTS).filter((part) => data.items.some((item) => item.part === part));
  const buttons = there.map((part) => {
    const button = element("button", { type: "button", "data-part": part }, PARTS[part].title, element("span", {}));
    button.addEventListener("click", () => onPart(part));
    return button;
  });
  byId("parts").replaceChildren(...buttons);
  byId("bar").max = data.items.length;
  byId("class").replaceChildren(
    ...data.classes.map((name, number) => element("option", { value: String(number) }, name)),
  );
}

function byId(id) {
  return document.getElementById(id);
}
