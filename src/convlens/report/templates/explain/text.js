// Numbers, shapes and receptive fields as short text.

const UNITS = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
];

export function shapeText(sizes) {
  return sizes.join(" × ") || "scalar";
}

/** Three or four significant digits: 1.23 M, 0.5, 1.5e-7; a dash where there is no number. */
export function shortNumber(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size >= 1e15) return value.toExponential(2);
  for (const [unit, name] of UNITS) if (size >= unit) return `${Number((value / unit).toPrecision(3))} ${name}`;
  return size >= 0.001 || size === 0 ? `${Number(value.toPrecision(4))}` : value.toExponential(2);
}

/** All digits, in groups of three. */
export function wholeNumber(value) {
  return value.toLocaleString("en");
}

/** The size of a receptive field; the record has a sentence instead of axes where it has no size. */
export function fieldText(field) {
  if (field === null) return "";
  if (typeof field === "string") return field;
  const sizes = field.map((axis) => axis.size);
  const square = sizes.length > 0 && sizes.every((size) => size === sizes[0]);
  return `${square ? sizes[0] : shapeText(sizes)} px`;
}

const ruler = document.createElement("canvas").getContext("2d");

/** The text, shortened at its end until it is no wider than so many pixels in a font of CSS. */
export function fitted(text, font, width) {
  ruler.font = font;
  if (ruler.measureText(text).width <= width) return text;
  let kept = text.length - 1;
  while (kept > 0 && ruler.measureText(`${text.slice(0, kept)}…`).width > width) kept--;
  return `${text.slice(0, kept)}…`;
}

export function widthOf(text, font) {
  ruler.font = font;
  return ruler.measureText(text).width;
}
