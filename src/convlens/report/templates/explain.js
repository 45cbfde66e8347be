"use strict";
// The page of `convlens explain`. All that it shows stands in the record below; it asks nothing of anybody.

const record = JSON.parse(document.getElementById("record").textContent);
const nodes = new Map(record.nodes.map((node) => [node.id, node]));
const boxes = new Map(record.boxes.map((box) => [box.id, box]));
const boxOf = new Map();
for (const box of record.boxes) for (const layer of box.layers) for (const child of layer) boxOf.set(child, box.id);
const unfolded = new Set(record.boxes.filter((box) => box.unfolded).map((box) => box.id));
const state = { selected: null, step: -1, metric: "multiply_adds", tab: "node", overlay: "field", place: null };

const NODE = { width: 196, height: 46 }, GAP = { x: 26, y: 30 }, PAD = 14, HEAD = 26, PASS = 12;
const SVG = document.getElementById("graph").namespaceURI;

// ---- building elements; every text that came from outside goes through textContent ----

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "on") for (const [event, handler] of Object.entries(value)) made.addEventListener(event, handler);
    else if (value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function drawn(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const shape = (sizes) => sizes.join(" × ") || "scalar";

function short(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size >= 1e15) return value.toExponential(2);
  for (const [unit, name] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]])
    if (size >= unit) return `${+(value / unit).toPrecision(3)} ${name}`;
  return size >= 0.001 || size === 0 ? `${+value.toPrecision(4)}` : value.toExponential(2);
}

function fieldText(field) {
  if (field === null) return "";
  if (typeof field === "string") return field;
  const sizes = field.map((axis) => axis.size);
  return sizes.length && sizes.every((size) => size === sizes[0]) ? `${sizes[0]} px` : `${shape(sizes)} px`;
}

// ---- layout: Python says which layer and which order, here it becomes coordinates for what is unfolded ----

function measured(id) {
  const box = boxes.get(id);
  if (!box || !unfolded.has(id)) return { id, width: id.startsWith("~") ? PASS : NODE.width, height: NODE.height };
  const layers = box.layers.map((layer) => layer.map(measured));
  const before = new Map();
  for (const route of box.routes)
    for (let i = 1; i < route.length; i++) before.set(route[i], [...(before.get(route[i]) || []), route[i - 1]]);
  const center = new Map();
  for (const layer of layers) {
    let free = -Infinity, shift = 0, placed = 0;
    for (const item of layer) {
      const above = (before.get(item.id) || []).filter((name) => center.has(name)).map((name) => center.get(name));
      const wanted = above.length ? above.reduce((a, b) => a + b) / above.length : free === -Infinity ? 0 : free;
      const x = Math.max(wanted, free + item.width / 2);
      shift += x - wanted; placed += 1;
      center.set(item.id, x);
      free = x + item.width / 2 + GAP.x;
    }
    for (const item of layer) center.set(item.id, center.get(item.id) - shift / Math.max(1, placed));
  }
  const items = layers.flat();
  const left = Math.min(0, ...items.map((item) => center.get(item.id) - item.width / 2));
  let y = HEAD + PAD, right = NODE.width;
  for (const layer of layers) {
    const height = Math.max(...layer.map((item) => item.height));
    for (const item of layer) {
      item.x = center.get(item.id) - left + PAD - item.width / 2;
      item.y = y + (height - item.height) / 2;
      item.above = y;
      item.below = y + height;
      right = Math.max(right, item.x + item.width);
    }
    y += height + GAP.y;
  }
  return { id, width: right + PAD, height: y - GAP.y + PAD, items, routes: box.routes };
}

// ---- the graph ----

const canvas = document.getElementById("graph");
const view = { x: 20, y: 20, scale: 1 };
let shownItems = new Map();

function amount(id) {
  const node = nodes.get(id), box = boxes.get(id);
  const one = node || nodes.get(box.last);
  if (state.metric === "gradient") return one.upstream ? rms(one.upstream, one.shape) : 0;
  if (state.metric === "activation") return one.value ? rms(one.value, one.shape) : 0;
  return (node || box)[state.metric];
}

function rms(statistics, sizes) {
  return statistics.norm / Math.sqrt(Math.max(1, sizes.reduce((a, b) => a * b, 1)));
}

function draw() {
  const focused = document.activeElement?.closest("#graph [data-id], #graph [data-box]");
  const whole = measured("");
  shownItems = new Map();
  const content = drawn("g", { id: "content" });
  place(whole, 0, 0, content, true);
  const most = Math.max(...[...shownItems.keys()].map(amount), 1e-30);
  for (const [id, { group, x, y }] of shownItems) {
    const width = (NODE.width - 12) * Math.max(0, amount(id) / most);
    group.append(drawn("rect", { class: "bar", x: x + 6, y: y + NODE.height - 7, width: Math.max(0, width), height: 4, rx: 2 }));
  }
  canvas.replaceChildren(content);
  moveView();
  markSelected();
  if (focused) refocus(focused.dataset.id || focused.dataset.box);
}

// what had the focus was drawn anew: as the same, as the head or the folded node of the same box, or not at all
function refocus(id) {
  const same = [...canvas.querySelectorAll("[data-id], [data-box]")].find((one) => (one.dataset.id || one.dataset.box) === id);
  (same || shownItems.get(visible(id))?.group)?.focus({ preventScroll: true });
}

function place(item, x, y, parent, outermost) {
  if (!item.items) return item.id.startsWith("~") ? undefined : drawNode(item, x, y, parent);
  const box = boxes.get(item.id);
  if (!outermost) {
    const frame = drawn("rect", { class: `box ${box.state}`, x, y, width: item.width, height: item.height, rx: 8 });
    const title = drawn("text", { class: "box-title", x: x + 10, y: y + 17 });
    title.textContent = `▾ ${box.title}  ·  ${box.kind}`;
    const head = drawn("g", { class: "head", role: "button", tabindex: 0, "aria-expanded": true, "aria-label": `${box.title}, ${box.kind}` }, title);
    head.dataset.box = item.id;
    parent.append(frame, head);
  }
  const at = new Map(item.items.map((child) => [child.id, child]));
  for (const route of item.routes) drawRoute(route, at, item, x, y, parent);
  for (const child of item.items) place(child, x + child.x, y + child.y, parent, false);
}

function drawRoute(route, at, box, x, y, parent) {
  const points = [];
  route.forEach((name, i) => {
    const item = at.get(name);
    if (item) {
      const middle = x + item.x + item.width / 2;
      // straight down to where the layer ends, so that a curve never runs behind its neighbors
      if (i > 0) points.push([middle, y + item.above], [middle, y + item.y]);
      if (i < route.length - 1) points.push([middle, y + item.y + item.height], [middle, y + item.below]);
    } else {
      const neighbor = at.get(route[name === "^" ? 1 : route.length - 2]);
      const middle = x + neighbor.x + neighbor.width / 2;
      points.push([middle, name === "^" ? y + HEAD : y + box.height]);
    }
  });
  const bends = points.filter(([x, y], i) => i === 0 || x !== points[i - 1][0] || y !== points[i - 1][1]);
  let path = `M${bends[0]}`;
  for (let i = 1; i < bends.length; i++) {
    const [x0, y0] = bends[i - 1], [x1, y1] = bends[i], half = (y1 - y0) / 2;
    path += x0 === x1 ? `L${x1},${y1}` : `C${x0},${y0 + half} ${x1},${y1 - half} ${x1},${y1}`;
  }
  const passes = route.length > 3 || route.some((name) => name.startsWith("~"));
  parent.append(drawn("path", { class: passes ? "edge passing" : "edge", d: path, "marker-end": "url(#arrow)" }));
}

function drawNode(item, x, y, parent) {
  const node = nodes.get(item.id), box = boxes.get(item.id), one = node || nodes.get(box.last);
  const group = drawn("g", { class: `node ${(node || box).state}${box ? " folded" : ""}${one.cut ? " cut" : ""}`, tabindex: 0, role: "button" });
  group.dataset.id = item.id;
  const title = box ? `▸ ${box.title}` : node.title;
  const kind = box ? box.kind : node.operator === "input" ? "input" : node.operator.split(".")[1];
  group.setAttribute("aria-label", `${title}, ${kind}, output ${shape(one.shape)}`);
  if (box) group.setAttribute("aria-expanded", "false");
  if (box) group.append(drawn("rect", { class: "shadow", x: x + 4, y: y + 4, width: item.width, height: item.height, rx: 7 }));
  const first = drawn("text", { class: "title", x: x + 9, y: y + 18 }), second = drawn("text", { class: "sub", x: x + 9, y: y + 33 });
  first.textContent = clipped(title, 26);
  second.textContent = clipped(`${kind === title ? "" : `${kind}  `}${shape(one.shape)}`, 34);
  group.append(drawn("rect", { class: "body", x, y, width: item.width, height: item.height, rx: 7 }), first, second);
  parent.append(group);
  shownItems.set(item.id, { group, x, y });
}

const clipped = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function moveView() {
  const content = document.getElementById("content");
  content.setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.scale})`);
}

function zoom(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
  const scale = Math.min(3, Math.max(0.08, view.scale * factor)), ratio = scale / view.scale;
  Object.assign(view, { x: x - (x - view.x) * ratio, y: y - (y - view.y) * ratio, scale });
  moveView();
}

function fit() {
  const whole = measured("");
  const scale = Math.min(1, (canvas.clientWidth - 24) / whole.width);
  Object.assign(view, { scale, x: Math.max(12, (canvas.clientWidth - whole.width * scale) / 2), y: 12 });
  moveView();
}

function center(id) {
  const item = shownItems.get(id);
  if (!item) return;
  view.x = canvas.clientWidth / 2 - (item.x + NODE.width / 2) * view.scale;
  view.y = canvas.clientHeight / 2 - (item.y + NODE.height / 2) * view.scale;
  moveView();
}

function toggle(id) {
  const before = shownItems.get(id);
  if (unfolded.has(id)) unfolded.delete(id); else unfolded.add(id);
  draw();
  const selected = visible(state.selected);
  if (!before && selected) center(selected);
}

function reveal(id) {
  for (let box = boxOf.get(id); box !== undefined && box !== ""; box = boxOf.get(box)) unfolded.add(box);
}

function visible(id) {
  for (let at = id; at !== undefined && at !== null; at = boxOf.get(at)) if (shownItems.has(at)) return at;
  return null;
}

function markSelected() {
  for (const { group } of shownItems.values()) group.classList.remove("selected", "reached");
  const at = visible(state.selected);
  if (at) shownItems.get(at).group.classList.add("selected");
}

function select(id, { show = false } = {}) {
  state.selected = id;
  if (show) { reveal(id); draw(); center(id); }
  markSelected();
  panel();
}

// ---- the panel ----

const panelElement = document.getElementById("panel");
const tabs = [...document.querySelectorAll("[data-tab]")];
const fact = (name, value) => [element("dt", {}, name), element("dd", {}, value)];

function panel() {
  for (const tab of tabs) {
    const open = tab.dataset.tab === state.tab;
    tab.setAttribute("aria-selected", String(open));
    tab.tabIndex = open ? 0 : -1;
    if (open) panelElement.setAttribute("aria-labelledby", tab.id);
  }
  const focused = document.activeElement?.closest("#panel");
  const part = document.activeElement?.dataset.part;
  const content = { node: nodePanel, image: imagePanel, flow: flowPanel, about: aboutPanel }[state.tab]();
  panelElement.replaceChildren(...content);
  // what had the focus was made anew
  if (focused) (panelElement.querySelector(`[data-part="${part}"]`) || panelElement).focus({ preventScroll: true });
}

function chosen() {
  const box = boxes.get(state.selected);
  return nodes.get(box ? box.last : state.selected) || record.nodes[0];
}

function nodePanel() {
  const node = chosen(), box = boxes.get(state.selected), cost = box || node;
  const phase = state.step < 0 ? null : state.step < record.nodes.length ? "forward" : "backward";
  const content = [element("h2", {}, box ? box.title : node.title)];
  if (phase) content.unshift(element("p", { class: "phase" }, stepText()));
  if (box) content.push(element("p", {}, `Module ${box.kind}; what follows is of its last operator, ${node.title}. `,
    element("button", { "data-part": "toggle", on: { click: () => { toggle(box.id); panel(); } } }, unfolded.has(box.id) ? "fold" : "unfold")));
  content.push(element("dl", {},
    ...fact("operator", node.operator), ...fact("output", shape(node.shape)),
    ...(cost.parameters ? fact("parameters", cost.parameters.toLocaleString("en")) : []),
    ...(cost.multiply_adds ? fact("multiply-adds", cost.multiply_adds.toLocaleString("en")) : []),
    ...fact("memory of the output", `${short(cost.activation_bytes)}B`),
    ...(node.field ? fact("receptive field", fieldText(node.field)) : []),
    ...(cost.state ? fact("state", cost.state) : []),
    ...(node.cut ? fact("cut", "this value is stored; what leads to it ran once per image") : []),
    ...(node.module ? fact("module", node.module) : [])));
  if (phase !== "backward") content.push(...forwardPart(node));
  if (phase !== "forward") content.push(...backwardPart(node));
  if (node.source) content.push(element("p", { class: "source" }, node.source));
  return content;
}

function forwardPart(node) {
  const content = [element("h3", {}, "Forward")];
  if (node.formula) content.push(element("p", { class: "formula" }, node.formula));
  if (node.arguments.length) content.push(element("ul", { class: "arguments" }, ...node.arguments.map((text) => element("li", {}, text))));
  if (node.filters) content.push(...image("Filters", node.filters, `the first filters of ${node.title}`));
  content.push(...spread(node.value, "value"));
  if (node.maps) content.push(...image("Feature maps", node.maps, `the strongest feature maps of ${node.title}`));
  if (node.numbers !== null) content.push(...tensorTable("Value", node.numbers, node.shape));
  return content;
}

function backwardPart(node) {
  const content = [element("h3", {}, `Backward, from ${record.target}`)];
  if (!node.upstream) return [...content, element("p", {}, "No gradient reaches this node.")];
  content.push(...spread(node.upstream, "upstream gradient"));
  if (node.upstream_maps) content.push(...image("Upstream gradient", node.upstream_maps, `the upstream gradient of ${node.title}`));
  if (node.upstream_numbers !== null) content.push(...tensorTable("Upstream gradient", node.upstream_numbers, node.shape));
  if (node.contributions.length) {
    const most = Math.max(...node.contributions.map((one) => one.norm), 1e-30);
    content.push(element("h4", {}, "What each path brought back"), element("table", {}, ...node.contributions.map((one) =>
      element("tr", {}, element("th", { scope: "row" }, (nodes.get(one.through) || { title: one.through }).title),
        element("td", { class: "n" }, short(one.norm)), element("td", { class: "track" }, bar(one.norm / most))))));
  }
  for (const line of node.parameter_lines) {
    const share = line.norm > 0 ? ` (${short(line.gradient_norm / line.norm)} of it)` : "";
    const ratio = line.gradient_norm === null ? "" : `, gradient ${short(line.gradient_norm)}${share}`;
    content.push(element("h4", {}, line.name), element("p", {}, `${shape(line.shape)}, norm ${short(line.norm)}${ratio}`));
    if (line.numbers !== null) content.push(...tensorTable("Value", line.numbers, line.shape));
    if (line.gradient !== null) content.push(...tensorTable("Gradient", line.gradient, line.shape));
  }
  for (const local of node.local_gradients) {
    content.push(element("h4", {}, `Local gradient tensor ∂${node.title}/∂${local.wrt}`),
      element("p", {}, `Shape ${shape(local.shape)}: a row for each index of the output, a column for each index of ${local.wrt}.`),
      localTable(local, node.shape));
  }
  return content;
}

const bar = (share) => element("span", { class: "fill", style: `width:${(100 * share).toFixed(1)}%` });

function image(title, maps, alternative) {
  const channels = maps.channels.length > 1 ? `channels ${maps.channels.join(", ")}` : "";
  return [element("h4", {}, title), element("img", { class: "maps", src: maps.image, alt: `${alternative}, ${channels}` }),
    element("p", { class: "soft" }, `${channels}${maps.signed ? "; blue is negative, orange positive" : ""}`)];
}

function spread(statistics, what) {
  if (!statistics) return [];
  const most = Math.max(...statistics.counts), width = 240, height = 48, step = width / statistics.counts.length;
  const bars = statistics.counts.map((count, i) => drawn("rect", { x: i * step, y: height - (height * count) / most, width: step - 1, height: (height * count) / most }));
  const told = `${what}: mean ${short(statistics.mean)}, standard deviation ${short(statistics.std)}, from ${short(statistics.smallest)} to ${short(statistics.largest)}, ${short(100 * statistics.zeros)} % zeros`;
  return [drawn("svg", { class: "histogram", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `histogram of the ${told}` }, ...bars),
    element("p", { class: "soft" }, told)];
}

function tensorTable(title, numbers, sizes) {
  const last = sizes.length ? sizes[sizes.length - 1] : 1, flat = [numbers].flat(Infinity), rows = [];
  for (let i = 0; i < flat.length; i += last)
    rows.push(element("tr", {}, ...flat.slice(i, i + last).map((value) => element("td", { class: "n", "data-value": value }, short(value)))));
  return [element("h4", {}, `${title}, ${shape(sizes)}`), element("div", { class: "scroll" }, element("table", { class: "tensor" }, ...rows))];
}

function localTable(local, output) {
  const rows = output.reduce((a, b) => a * b, 1), flat = [local.numbers].flat(Infinity), columns = flat.length / rows;
  return element("div", { class: "scroll" }, element("table", { class: "tensor" }, ...Array.from({ length: rows }, (_, i) =>
    element("tr", {}, ...flat.slice(i * columns, (i + 1) * columns).map((value) => element("td", { class: value === 0 ? "n zero" : "n" }, short(value)))))));
}

function imagePanel() {
  if (!record.image) return [element("h2", {}, "Image"), element("p", {}, "The input is not an image.")];
  const node = chosen(), [height, width] = record.input_shape.slice(2);
  const layers = { field: "receptive field", effective: "effective receptive field", cam: "Grad-CAM", gradient: "input gradient", none: "image alone" };
  const choose = element("fieldset", {}, element("legend", {}, "Show"), ...Object.entries(layers).map(([key, name]) => {
    const input = element("input", { type: "radio", name: "overlay", value: key, "data-part": key, on: { change: () => { state.overlay = key; panel(); } } });
    input.checked = state.overlay === key;
    return element("label", {}, input, ` ${name}`);
  }));
  const drawing = drawn("svg", { class: "image", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `the image with ${layers[state.overlay]}` },
    drawn("image", { href: record.image, width, height }));
  const text = overlay(node, drawing, width, height);
  drawing.addEventListener("click", (event) => {
    const area = drawing.getBoundingClientRect();
    state.place = [((event.clientY - area.top) / area.height) * height, ((event.clientX - area.left) / area.width) * width];
    panel();
  });
  return [element("h2", {}, "Image"), choose, drawing, element("p", {}, text)];
}

function overlay(node, drawing, width, height) {
  const layer = (address, x = 0, y = 0) => drawing.append(drawn("image", { href: address, width, height, x, y, class: "layer" }));
  if (state.overlay === "cam") { if (record.grad_cam) layer(record.grad_cam); return record.grad_cam ? `Where the last feature maps speak for ${record.target} (Grad-CAM).` : "There is no Grad-CAM: no feature map comes before the output."; }
  if (state.overlay === "gradient") { if (record.input_gradient) layer(record.input_gradient); return `How strongly each pixel moves ${record.target}.`; }
  if (state.overlay === "none") return "As the network gets it.";
  if (!Array.isArray(node.field) || node.field.length !== 2) return `${node.title}: ${typeof node.field === "string" ? `every place sees the ${node.field}` : "no receptive field can be told"}.`;
  const sizes = node.shape.slice(-2), target = state.place || [height / 2, width / 2];
  // With stride 0 every place sees the same.
  const place = node.field.map((axis, i) => Math.min(sizes[i] - 1, Math.max(0, Math.round((target[i] - axis.offset - axis.size / 2) / (axis.stride || Infinity)))));
  const [top, left] = node.field.map((axis, i) => axis.offset + place[i] * axis.stride);
  const middle = sizes.map((size) => Math.floor(size / 2));
  if (state.overlay === "effective") {
    if (!node.effective_field) return `No effective field was computed for ${node.title}; it was for ${record.nodes.filter((one) => one.effective_field).map((one) => one.title).join(", ")}.`;
    layer(node.effective_field, (place[1] - middle[1]) * node.field[1].stride, (place[0] - middle[0]) * node.field[0].stride);
  }
  drawing.append(drawn("rect", { class: "field", x: left, y: top, width: node.field[1].size, height: node.field[0].size }));
  const moved = state.overlay === "effective" ? " Computed at the middle place, and moved to this one." : "";
  return `${node.title}, place ${place[0]}, ${place[1]} of ${shape(sizes)}, sees ${fieldText(node.field)}. Click on the image for another place.${moved}`;
}

function flowPanel() {
  const series = [record.flow, record.versus].filter((flow) => flow), width = 420, height = 240, margin = 44;
  const sizes = series.flatMap((flow) => flow.points.map((point) => point.size)).filter((size) => size > 0);
  const low = Math.floor(Math.log10(Math.min(...sizes))), high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...sizes))));
  const px = (depth) => margin + depth * (width - margin - 8), py = (size) => 8 + ((high - Math.log10(size)) / (high - low)) * (height - 40);
  const chart = drawn("svg", { class: "flow", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "size of the gradient by depth" });
  for (let power = low; power <= high; power += Math.max(1, Math.round((high - low) / 6))) {
    const label = drawn("text", { class: "tick", x: margin - 6, y: py(10 ** power) + 4, "text-anchor": "end" });
    label.textContent = `1e${power}`;
    chart.append(drawn("line", { class: "grid", x1: margin, x2: width - 8, y1: py(10 ** power), y2: py(10 ** power) }), label);
  }
  series.forEach((flow, i) => {
    const points = flow.points.filter((point) => point.size > 0);
    chart.append(drawn("polyline", { class: `line series${i}`, points: points.map((point) => `${px(point.depth)},${py(point.size)}`).join(" ") }));
    for (const point of points) {
      const dot = drawn("circle", { class: `dot series${i}`, cx: px(point.depth), cy: py(point.size), r: i ? 2 : 3 });
      const title = drawn("title");
      title.textContent = `${flow.network}, ${(i === 0 && nodes.get(point.node)?.title) || point.node}: ${short(point.size)}`;
      dot.append(title);
      if (i === 0) dot.addEventListener("click", () => { state.tab = "node"; select(point.node, { show: true }); });
      chart.append(dot);
    }
  });
  const axis = drawn("text", { class: "tick", x: (width + margin) / 2, y: height - 6, "text-anchor": "middle" });
  axis.textContent = "input  ←  depth  →  output";
  chart.append(axis);
  const joins = record.flow.points.filter((point) => Object.keys(point.through).length > 1);
  return [element("h2", {}, "Gradient flow"),
    element("p", {}, "Root mean square of the upstream gradient at each operator, on a logarithmic scale."),
    chart, element("p", {}, ...series.flatMap((flow, i) => [element("span", { class: `key series${i}` }), ` ${flow.network}  `])),
    ...(joins.length ? [element("h3", {}, "Where paths join"), element("div", { class: "scroll" }, element("table", {}, ...joins.map(joinRow)))] : [])];
}

function joinRow(point) {
  const most = Math.max(...Object.values(point.through), 1e-30);
  return element("tr", {}, element("th", { scope: "row" }, element("button", { class: "link", on: { click: () => { state.tab = "node"; select(point.node, { show: true }); } } }, nodes.get(point.node).title)),
    element("td", {}, ...Object.entries(point.through).map(([name, size]) =>
      element("div", { class: "join" }, element("span", {}, `${(nodes.get(name) || { title: name }).title} ${short(size)}`), bar(size / most)))));
}

function aboutPanel() {
  const { largest_difference: worst, parameter, compared } = record.check;
  return [element("h2", {}, "About"),
    element("p", {}, `${record.network}: ${record.parameters.toLocaleString("en")} parameters, ${record.multiply_adds.toLocaleString("en")} multiply-adds forward.`),
    element("p", {}, `Gradients of ${record.target} by convlens's own rules, against autograd: the largest relative difference over ${compared} parameters is ${short(worst)}${parameter ? ` (${parameter})` : ""}.`),
    ...(record.guesses.length ? [element("h3", {}, "What the network says"), element("table", {}, ...record.guesses.map((guess) =>
      element("tr", {}, element("th", { scope: "row" }, guess.name), element("td", { class: "n" }, guess.number === null ? `${(100 * guess.probability).toFixed(1)} %` : String(Number(guess.number.toPrecision(6)))),
        ...(guess.number === null ? [element("td", { class: "track" }, bar(guess.probability))] : []))))] : []),
    element("h3", {}, "Keys"), element("ul", {}, ...["arrows: next and previous node", "Enter or space: fold and unfold", "+ and −: zoom, 0: the whole", "/: search", "f and b: step forward and backward"].map((text) => element("li", {}, text))),
    ...record.notes.map((note) => element("p", {}, note)), element("p", { class: "soft" }, `Made ${record.made} in ${short(record.seconds)} s.`)];
}

// ---- stepping: forward through all nodes, then backward ----

const steps = record.nodes.length;
function stepNode() { return record.nodes[state.step < steps ? state.step : 2 * steps - 1 - state.step]; }
function stepText() {
  const forward = state.step < steps, number = forward ? state.step + 1 : state.step - steps + 1;
  return `${forward ? "Forward" : "Backward"}, step ${number} of ${steps}`;
}
function step(by) {
  const next = state.step + by;
  if (next >= 2 * steps) return;
  state.step = Math.max(-1, next);
  state.tab = "node";
  if (state.step < 0) return panel();
  select(stepNode().id, { show: true });
}

// ---- search, pointer and keys ----

function search(text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return;
  const fits = (one) => [one.title, one.module, one.operator, one.id, one.kind].some((word) => word && word.toLowerCase().includes(wanted));
  const exact = (one) => [one.id, one.title, one.module].some((word) => word && word.toLowerCase() === wanted);
  const found = [...record.boxes.filter((box) => box.id !== "" && fits(box)), ...record.nodes.filter(fits)];
  found.sort((a, b) => exact(b) - exact(a));
  document.getElementById("found").textContent = found.length ? `${found.length} found` : "nothing found";
  if (!found.length) return;
  const at = found.findIndex((one) => one.id === state.selected);
  state.tab = "node";
  select(found[(at + 1) % found.length].id, { show: true });
}

canvas.addEventListener("click", (event) => {
  const head = event.target.closest("[data-box]"), item = event.target.closest("[data-id]");
  if (head) { state.selected = head.dataset.box; toggle(head.dataset.box); panel(); }
  else if (item) {
    const again = state.selected === item.dataset.id;
    select(item.dataset.id);
    if (again && boxes.has(item.dataset.id)) toggle(item.dataset.id);
  }
});
canvas.addEventListener("dblclick", (event) => {
  const item = event.target.closest("[data-id]");
  if (item && boxes.has(item.dataset.id) && !unfolded.has(item.dataset.id)) toggle(item.dataset.id);
});
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  if (event.ctrlKey || event.metaKey) zoom(Math.exp(-event.deltaY / 200), event.offsetX, event.offsetY);
  else { view.x -= event.deltaX; view.y -= event.deltaY; moveView(); }
}, { passive: false });

const pointers = new Map();
canvas.addEventListener("pointerdown", (event) => pointers.set(event.pointerId, [event.clientX, event.clientY]));
canvas.addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const now = [event.clientX, event.clientY];
  if (pointers.size === 1) { view.x += now[0] - before[0]; view.y += now[1] - before[1]; moveView(); }
  else {
    const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    const area = canvas.getBoundingClientRect(), span = (at) => Math.hypot(at[0] - other[0], at[1] - other[1]);
    zoom(span(now) / Math.max(1, span(before)), (now[0] + other[0]) / 2 - area.left, (now[1] + other[1]) / 2 - area.top);
  }
  pointers.set(event.pointerId, now);
});
for (const name of ["pointerup", "pointercancel", "pointerleave"]) canvas.addEventListener(name, (event) => pointers.delete(event.pointerId));

function neighbor(by) {
  const order = [...shownItems].sort(([, a], [, b]) => a.y - b.y || a.x - b.x).map(([id]) => id);
  const at = order.indexOf(visible(state.selected));
  const next = order[Math.min(order.length - 1, Math.max(0, at + by))];
  select(next);
  center(next);
  if (document.activeElement?.closest("#graph")) refocus(next);
}

const pressed = (event) => event.target.closest("[data-id], [data-box]");

function press(event) {
  const item = pressed(event), id = item ? item.dataset.id || item.dataset.box : state.selected;
  if (item) select(id);
  if (!boxes.has(id)) return;
  toggle(id);
  panel();
}

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  const actions = {
    ArrowDown: () => neighbor(1), ArrowUp: () => neighbor(-1), "+": () => zoom(1.25), "-": () => zoom(0.8), 0: fit,
    "/": () => document.getElementById("search").focus(), f: () => step(1), b: () => step(-1),
    Enter: () => press(event), " ": () => press(event),
  };
  if (!actions[event.key] || (event.key === "Enter" && event.target.matches("button"))) return;
  if (event.key === " " && !pressed(event)) return;
  event.preventDefault();
  actions[event.key]();
});

document.getElementById("search").addEventListener("keydown", (event) => { if (event.key === "Enter") search(event.target.value); });
document.getElementById("metric").addEventListener("change", (event) => { state.metric = event.target.value; draw(); });
document.getElementById("zoom-in").addEventListener("click", () => zoom(1.25));
document.getElementById("zoom-out").addEventListener("click", () => zoom(0.8));
document.getElementById("zoom-fit").addEventListener("click", fit);
document.getElementById("fold-all").addEventListener("click", () => { unfolded.clear(); unfolded.add(""); draw(); fit(); });
document.getElementById("step-forward").addEventListener("click", () => step(1));
document.getElementById("step-back").addEventListener("click", () => step(-1));

function openTab(tab) {
  state.tab = tab.dataset.tab;
  panel();
}

tabs.forEach((tab, i) => {
  tab.addEventListener("click", () => openTab(tab));
  tab.addEventListener("keydown", (event) => {
    const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = tabs.at(to % tabs.length);
    openTab(next);
    next.focus();
  });
});

draw();
fit();
select(record.nodes[record.nodes.length - 1].id);
