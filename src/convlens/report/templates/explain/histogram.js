// How the elements of a tensor are spread.

import { element, svg } from "./elements.js";
import { shortNumber } from "./text.js";

const WIDTH = 240;
const HEIGHT = 48;

/** A histogram and a line of its moments; nothing where there are no statistics. */
export function histogram(statistics, what) {
  if (!statistics) return [];
  const summary = summaryOf(statistics, what);
  const attributes = {
    class: "histogram",
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: "img",
    "aria-label": `histogram of the ${summary}`,
  };
  return [svg("svg", attributes, ...columnsOf(statistics.counts)), element("p", { class: "soft" }, summary)];
}

function columnsOf(counts) {
  const largest = Math.max(...counts);
  const width = WIDTH / counts.length;
  return counts.map((count, i) => {
    const height = (HEIGHT * count) / largest;
    return svg("rect", { x: i * width, y: HEIGHT - height, width: width - 1, height });
  });
}

function summaryOf({ mean, std, smallest, largest, zeros }, what) {
  const range = `from ${shortNumber(smallest)} to ${shortNumber(largest)}`;
  const moments = `mean ${shortNumber(mean)}, standard deviation ${shortNumber(std)}`;
  return `${what}: ${moments}, ${range}, ${shortNumber(100 * zeros)}% zeros`;
}
