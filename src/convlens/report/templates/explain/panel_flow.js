// The tab about the gradient's way through the network: its size by depth, and where paths join.

import { bar, element, on, scrollingTable } from "./elements.js";
import { flowChart } from "./flow_chart.js";
import { fractionsOfLargest } from "./numbers.js";
import { pathOf, record } from "./record.js";
import { show } from "./selection.js";
import { shortNumber } from "./text.js";

export function flowPanel() {
  const flows = [record.flow, record.versus].filter(Boolean);
  const keys = flows.flatMap((flow, i) => [element("span", { class: `key series${i}` }), ` ${flow.network}  `]);
  const meaning = "Root mean square of the upstream gradient at each operator, on a logarithmic scale.";
  return [
    element("h2", {}, "Gradient flow"),
    element("p", {}, meaning),
    flowChart(flows),
    element("p", {}, ...keys),
    ...joins(),
  ];
}

function joins() {
  const points = record.flow.points.filter((point) => Object.keys(point.through).length > 1);
  if (points.length === 0) return [];
  return [element("h3", {}, "Where paths join"), scrollingTable({}, points.map(joinRow))];
}

function joinRow(point) {
  const fractions = fractionsOfLargest(Object.values(point.through));
  const paths = Object.entries(point.through).map(([name, size], i) => {
    const label = element("span", {}, `${pathOf(name)} ${shortNumber(size)}`);
    return element("div", { class: "join" }, label, bar(fractions[i]));
  });
  const link = on(element("button", { class: "link" }, pathOf(point.node)), "click", () => show(point.node));
  return element("tr", {}, element("th", { scope: "row" }, link), element("td", {}, ...paths));
}
