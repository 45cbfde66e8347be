// Elements of HTML and SVG. Every text that came from outside becomes a text node and is never parsed.

// Read off the page, so that no address stands in it anywhere.
const SVG = document.getElementById("graph").namespaceURI;

/** An element of HTML; attributes and children that are null or undefined are left out. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (isGiven(value)) made.setAttribute(key, value);
  made.append(...children.filter(isGiven));
  return made;
}

/** An element of SVG. */
export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** The same element, which calls the handler on the event. */
export function on(made, event, handler) {
  made.addEventListener(event, handler);
  return made;
}

/** A bar as wide as this fraction of its cell. */
export function bar(fraction) {
  return element("span", { class: "fill", style: `width:${(100 * fraction).toFixed(1)}%` });
}

/** A table that scrolls where it is wider than the panel. */
export function scrollingTable(attributes, rows) {
  return element("div", { class: "scroll" }, element("table", attributes, ...rows));
}

function isGiven(value) {
  return value !== null && value !== undefined;
}
