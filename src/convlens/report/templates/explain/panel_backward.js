// What a node does backward: its upstream gradient, where it came from, and the gradients of its parameters.

import { bar, element } from "./elements.js";
import { histogram } from "./histogram.js";
import { fractionsOfLargest } from "./numbers.js";
import { pathOf, record } from "./record.js";
import { channelImage, localGradientTable, tensorTable } from "./tensor.js";
import { shapeText, shortNumber } from "./text.js";

export function backwardPart(node) {
  const title = element("h3", {}, `Backward, from ${record.target}`);
  if (!node.upstream) return [title, element("p", {}, "No gradient reaches this node.")];
  return [
    title,
    ...upstreamGradient(node),
    ...contributions(node.contributions),
    ...node.parameter_lines.flatMap(parameterGradient),
    ...node.local_gradients.flatMap((local) => localGradient(local, node)),
  ];
}

function upstreamGradient({ title, upstream, upstream_maps: maps, upstream_numbers: numbers, shape }) {
  const content = histogram(upstream, "upstream gradient");
  if (maps) content.push(...channelImage("Upstream gradient", maps, `the upstream gradient of ${title}`));
  if (numbers !== null) content.push(...tensorTable("Upstream gradient", numbers, shape));
  return content;
}

function contributions(lines) {
  if (lines.length === 0) return [];
  const fractions = fractionsOfLargest(lines.map((line) => line.norm));
  const rows = lines.map((line, i) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, pathOf(line.through)),
      element("td", { class: "n" }, shortNumber(line.norm)),
      element("td", { class: "track" }, bar(fractions[i])),
    ),
  );
  return [element("h4", {}, "Contribution of each path"), element("table", {}, ...rows)];
}

function parameterGradient({ name, shape, norm, gradient_norm: gradientNorm, numbers, gradient }) {
  const ofNorm = norm > 0 ? ` (${shortNumber(gradientNorm / norm)} of it)` : "";
  const size = gradientNorm === null ? "" : `, gradient ${shortNumber(gradientNorm)}${ofNorm}`;
  const content = [element("h4", {}, name), element("p", {}, `${shapeText(shape)}, norm ${shortNumber(norm)}${size}`)];
  if (numbers !== null) content.push(...tensorTable("Value", numbers, shape));
  if (gradient !== null) content.push(...tensorTable("Gradient", gradient, shape));
  return content;
}

function localGradient(local, node) {
  const indices = `a row for each index of the output, a column for each index of ${local.wrt}`;
  return [
    element("h4", {}, `Local gradient tensor ∂${node.title}/∂${local.wrt}`),
    element("p", {}, `Shape ${shapeText(local.shape)}: ${indices}.`),
    localGradientTable(local, node.shape),
  ];
}
