// Coordinates for what is unfolded. Python says which layer and which order; the rest depends on what is unfolded.
// An item has a width and a height; inside a box also x and y, and the y at which its layer begins and ends.

export const NODE = { width: 196, height: 46 };
export const HEAD = 26;
const GAP = { x: 26, y: 30 };
const PADDING = 14;
const PASS_WIDTH = 12;

/** Whether it only keeps a lane free for an edge that passes a layer. */
export function isPass(id) {
  return id.startsWith("~");
}

/** The item of a box with all that is in it, or of a node. */
export function layOut(id, boxes, unfolded) {
  const box = boxes.get(id);
  if (!box || !unfolded.has(id)) return { id, width: isPass(id) ? PASS_WIDTH : NODE.width, height: NODE.height };
  const layers = box.layers.map((layer) => layer.map((child) => layOut(child, boxes, unfolded)));
  const centers = centersOf(layers, predecessorsOf(box.routes));
  return { id, ...stacked(layers, centers), routes: box.routes };
}

function predecessorsOf(routes) {
  const predecessors = new Map();
  for (const route of routes)
    for (let i = 1; i < route.length; i++)
      predecessors.set(route[i], [...(predecessors.get(route[i]) || []), route[i - 1]]);
  return predecessors;
}

// Every item wants to stand below the middle of what it reads, and keeps right of its left neighbor. The layer is
// then moved back by the mean of what its items were pushed to the right.
function centersOf(layers, predecessors) {
  const centers = new Map();
  for (const layer of layers) {
    let free = -Infinity;
    let pushed = 0;
    for (const item of layer) {
      const wanted = wantedCenter(item, predecessors, centers) ?? (free === -Infinity ? 0 : free);
      const center = Math.max(wanted, free + item.width / 2);
      pushed += center - wanted;
      centers.set(item.id, center);
      free = center + item.width / 2 + GAP.x;
    }
    for (const item of layer) centers.set(item.id, centers.get(item.id) - pushed / Math.max(1, layer.length));
  }
  return centers;
}

function wantedCenter(item, predecessors, centers) {
  const above = (predecessors.get(item.id) || []).filter((id) => centers.has(id)).map((id) => centers.get(id));
  return above.length > 0 ? above.reduce((a, b) => a + b) / above.length : null;
}

function stacked(layers, centers) {
  const left = Math.min(0, ...layers.flat().map((item) => centers.get(item.id) - item.width / 2));
  const items = [];
  let y = HEAD + PADDING;
  let right = NODE.width;
  for (const layer of layers) {
    const height = Math.max(...layer.map((item) => item.height));
    for (const item of layer) {
      const x = centers.get(item.id) - left + PADDING - item.width / 2;
      items.push({ ...item, x, y: y + (height - item.height) / 2, layerTop: y, layerBottom: y + height });
      right = Math.max(right, x + item.width);
    }
    y += height + GAP.y;
  }
  return { width: right + PADDING, height: y - GAP.y + PADDING, items };
}
