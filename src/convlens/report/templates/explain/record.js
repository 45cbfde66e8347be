// The record that stands in the page, and its nodes and boxes by identifier.

export const record = JSON.parse(document.getElementById("record").textContent);

export const nodes = new Map(record.nodes.map((node) => [node.id, node]));

export const boxes = new Map(record.boxes.map((box) => [box.id, box]));

// The outermost box is named by the empty string; it is always unfolded and never drawn.
export const OUTERMOST = "";

const parents = new Map(record.boxes.flatMap((box) => box.layers.flat().map((child) => [child, box.id])));

/** The boxes around a node or box, from the innermost to the outermost. */
export function ancestors(id) {
  const around = [];
  for (let box = parents.get(id); box !== undefined; box = parents.get(box)) around.push(box);
  return around;
}

/** The node itself; of a box the last node inside, whose value is the box's value. */
export function lastNode(id) {
  return nodes.get(boxes.has(id) ? boxes.get(id).last : id);
}

/** The title of a node with the modules that it is in, as layer1.0.relu; the name itself where no node has it. */
export function pathOf(name) {
  const node = nodes.get(name);
  if (!node) return name;
  const { module, title } = node;
  // The title of a layer of a Sequential, as "conv2d (0)", ends in the number that its path ends in.
  if (/ \(\d+\)$/u.test(title)) return module;
  if (!module || module === title || module.endsWith(`.${title}`)) return module || title;
  return `${module}.${title}`;
}
