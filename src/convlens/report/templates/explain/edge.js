// One edge of the graph, as a path from what is written to what reads it.

import { svg } from "./elements.js";
import { HEAD, isPass } from "./layout.js";

// Where a route comes into the box from outside; it leaves it at any other name that is no item.
const TOP = "^";

/** The path of a route through the items of a box whose corner stands at x, y. */
export function drawEdge(route, items, box, x, y) {
  const passing = route.length > 3 || route.some(isPass);
  const points = withoutRepeats(pointsOf(route, items, box, x, y));
  return svg("path", {
    class: passing ? "edge passing" : "edge",
    d: curveThrough(points),
    "marker-end": "url(#arrow)",
  });
}

function pointsOf(route, items, box, x, y) {
  return route.flatMap((name, i) => {
    const item = items.get(name);
    if (!item) {
      const neighbor = items.get(route[name === TOP ? 1 : route.length - 2]);
      return [[x + neighbor.x + neighbor.width / 2, name === TOP ? y + HEAD : y + box.height]];
    }
    const middle = x + item.x + item.width / 2;
    const points = [];
    // Straight through the height of the layer, so that a curve never runs behind an item's neighbors.
    if (i > 0) points.push([middle, y + item.layerTop], [middle, y + item.y]);
    if (i < route.length - 1) points.push([middle, y + item.y + item.height], [middle, y + item.layerBottom]);
    return points;
  });
}

function withoutRepeats(points) {
  return points.filter(([x, y], i) => i === 0 || x !== points[i - 1][0] || y !== points[i - 1][1]);
}

function curveThrough(points) {
  const segments = points.slice(1).map(([x1, y1], i) => {
    const [x0, y0] = points[i];
    const half = (y1 - y0) / 2;
    return x0 === x1 ? `L${x1},${y1}` : `C${x0},${y0 + half} ${x1},${y1 - half} ${x1},${y1}`;
  });
  return `M${points[0]}${segments.join("")}`;
}
