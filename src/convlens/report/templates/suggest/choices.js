// The classes that have a key: all of them in their own order where there are nine at most, else the likeliest ones.

const MOST = 9;

/** The classes to choose from for a suggestion, each with its probability. */
export function choicesFor(suggestion, classes) {
  const likeliest = suggestion.likeliest.map(([name, probability]) => ({ name, probability }));
  if (classes.length > MOST) return likeliest.slice(0, MOST);
  return classes.map((name) => likeliest.find((one) => one.name === name));
}

/** Draws a button for each; choose(name) is called for the one that is pressed. */
export function showChoices(choices, label, choose) {
  const buttons = choices.map(({ name, probability }, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.style.setProperty("--share", `${(100 * probability).toFixed(1)}%`);
    button.setAttribute("aria-pressed", String(name === label));
    button.append(
      element("kbd", place + 1),
      element("bdi", name),
      element("span", `${Math.round(100 * probability)}%`),
    );
    button.addEventListener("click", () => choose(name));
    return button;
  });
  document.getElementById("choices").replaceChildren(...buttons);
}

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}
