// One image and what the model says of it.

const SHOWN = 5;
const FOLDED = 45;
const NAMED = 8;

/** The first names, and how many there are besides. */
export function listed(names) {
  const first = names.slice(0, NAMED).join(", ");
  return names.length > NAMED ? `${first} and ${names.length - NAMED} more` : first;
}

/** An element of HTML; children that are null are left out. Text from outside becomes a text node, never parsed. */
export function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** The figure of an image that waits for its answer; `reason` asks why, or is null where the model cannot say. */
export class Card {
  constructor(file, reason) {
    this.file = file;
    this.reason = reason;
    this.image = element("img", { src: URL.createObjectURL(file), alt: "" });
    this.frame = element("div", { class: "frame" }, this.image);
    this.said = element("div", { class: "said" }, element("p", { class: "soft" }, "Waiting …"));
    const caption = element("figcaption", {}, element("bdi", {}, file.name), this.said);
    this.figure = element("figure", { class: "answer" }, this.frame, caption);
    // A format that the browser cannot show may be one that the model reads.
    this.image.addEventListener("error", () => {
      this.image.replaceWith(element("p", { class: "missing" }, "This browser cannot show the image."));
    });
  }

  answered(answer) {
    const numbers = Object.entries(answer.numbers);
    const parts =
      numbers.length > 0 ? [numberTable(numbers)] : [verdict(answer), ...bars(Object.entries(answer.probabilities))];
    const remark = answer.remark ? element("p", { class: "soft small" }, answer.remark) : null;
    const time = element("p", { class: "soft small" }, `${answer.milliseconds.toFixed(0)} ms`);
    const nearest = answer.nearest?.length > 0 ? nearestImages(answer.nearest) : "";
    this.said.replaceChildren(...parts, this.reason ? this.whyButton() : "", nearest, remark ?? "", time);
  }

  refused(text) {
    this.said.replaceChildren(element("p", { class: "refused", role: "alert" }, text));
  }

  whyButton() {
    const button = element("button", { type: "button", "aria-pressed": "false" }, "Why?");
    button.addEventListener("click", () => this.toggleReason(button));
    return element("p", {}, button);
  }

  async toggleReason(button) {
    if (this.overlay) {
      const hidden = this.overlay.classList.toggle("hidden");
      button.setAttribute("aria-pressed", String(!hidden));
      return;
    }
    button.setAttribute("disabled", "");
    try {
      const reason = await this.reason(this.file);
      this.overlay = element(
        "div",
        { class: "reason" },
        element("img", { src: reason.image, alt: "What the network was shown" }),
        element("img", { src: reason.heat_map, alt: `Where the evidence for ${reason.target} is` }),
      );
      this.frame.append(this.overlay);
      button.setAttribute("aria-pressed", "true");
    } catch (error) {
      button.after(element("span", { class: "refused", role: "alert" }, ` ${error.message}`));
    }
    button.removeAttribute("disabled");
  }
}

function verdict(answer) {
  if (answer.rejected) return rejection(answer);
  return element("p", { class: "verdict" }, element("bdi", {}, answer.predicted || "none of the labels"));
}

/** Why an image is none of the classes. */
function rejection({ predicted, p_value: unlike }) {
  const percent = `${(100 * unlike).toPrecision(2)}%`;
  return element(
    "div",
    {},
    element("p", { class: "verdict" }, "none of these"),
    element(
      "p",
      { class: "small" },
      `Only ${percent} of the training images are as unlike the others. The likeliest class would be `,
      element("bdi", {}, predicted),
      ".",
    ),
  );
}

/** The most similar training images; those without a thumbnail by their names alone. */
function nearestImages(images) {
  const shown = images.map(({ file, label, similarity, thumbnail }) =>
    element(
      "li",
      { title: file },
      thumbnail ? element("img", { src: thumbnail, alt: file }) : element("bdi", { class: "small" }, file),
      element("span", { class: "small" }, element("bdi", {}, label), ` ${similarity.toFixed(2)}`),
    ),
  );
  return element(
    "details",
    { class: "nearest" },
    element("summary", {}, "The most similar training images"),
    element("ol", {}, ...shown),
  );
}

/** A bar for each of the likeliest, the others folded. */
function bars(probabilities) {
  // Objects of JavaScript put names that are whole numbers first, whatever their order was.
  const ranked = [...probabilities].sort((one, other) => other[1] - one[1]);
  const list = (entries) => element("ol", { class: "bars" }, ...entries.map(([name, p]) => bar(name, p)));
  const rest = ranked.slice(SHOWN, SHOWN + FOLDED);
  const folded =
    rest.length > 0 ? [element("details", {}, element("summary", {}, `the next ${rest.length}`), list(rest))] : [];
  return [list(ranked.slice(0, SHOWN)), ...folded];
}

function bar(name, probability) {
  const percent = `${(100 * probability).toFixed(1)}%`;
  const line = element("li", {}, element("bdi", {}, name), element("span", { class: "n" }, percent));
  line.style.setProperty("--share", probability.toFixed(4));
  return line;
}

function numberTable(numbers) {
  const rows = numbers.map(([name, value]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, element("bdi", {}, name)),
      element("td", { class: "n" }, value.toPrecision(5)),
    ),
  );
  return element("table", {}, ...rows);
}
