// The tab with the image, and on it what a node sees or what the output depends on.

import { element, on, svg } from "./elements.js";
import { placeAt, startOf } from "./receptive_field.js";
import { record } from "./record.js";
import { describedNode } from "./selection.js";
import { change, state } from "./state.js";
import { fieldText, shapeText } from "./text.js";

const OVERLAYS = {
  field: "receptive field",
  effective: "effective receptive field",
  cam: "Grad-CAM",
  gradient: "input gradient",
  none: "image alone",
};

export function imagePanel() {
  const title = element("h2", {}, "Image");
  if (!record.image) return [title, element("p", {}, "The input is not an image.")];
  const { layers, text } = overlayOf(describedNode());
  return [title, overlayChoice(), drawImage(layers), element("p", {}, text)];
}

function imageSize() {
  const [height, width] = record.input_shape.slice(2);
  return { width, height };
}

function overlayChoice() {
  const choices = Object.entries(OVERLAYS).map(([key, name]) => {
    const input = element("input", { type: "radio", name: "overlay", value: key, "data-part": key });
    input.checked = state.overlay === key;
    on(input, "change", () => change({ overlay: key }));
    return element("label", {}, input, ` ${name}`);
  });
  return element("fieldset", {}, element("legend", {}, "Show"), ...choices);
}

function drawImage(layers) {
  const { height, width } = imageSize();
  const attributes = {
    class: "image",
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    "aria-label": `the image with ${OVERLAYS[state.overlay]}`,
  };
  const drawing = svg("svg", attributes, svg("image", { href: record.image, width, height }), ...layers);
  return on(drawing, "click", (event) => {
    const area = drawing.getBoundingClientRect();
    const y = ((event.clientY - area.top) / area.height) * height;
    const x = ((event.clientX - area.left) / area.width) * width;
    change({ point: [y, x] });
  });
}

/** What lies on the image, and the sentence below it. */
function overlayOf(node) {
  if (state.overlay === "none") return { layers: [], text: "As the network receives it." };
  if (state.overlay === "cam") return gradCamOverlay();
  if (state.overlay === "gradient") {
    const layers = record.input_gradient ? [imageLayer(record.input_gradient)] : [];
    return { layers, text: `How strongly each pixel affects ${record.target}.` };
  }
  return fieldOverlay(node);
}

function gradCamOverlay() {
  if (!record.grad_cam) return { layers: [], text: "No Grad-CAM: there are no feature maps before the output." };
  const text = `Where the last feature maps support ${record.target} (Grad-CAM).`;
  return { layers: [imageLayer(record.grad_cam)], text };
}

function fieldOverlay(node) {
  if (!Array.isArray(node.field) || node.field.length !== 2) return { layers: [], text: noFieldText(node) };
  const { height, width } = imageSize();
  const places = node.shape.slice(-2);
  const point = state.point ?? [height / 2, width / 2];
  const place = node.field.map((axis, i) => placeAt(axis, point[i], places[i]));
  const sees = `${node.title}, place ${place.join(", ")} of ${shapeText(places)}, sees ${fieldText(node.field)}.`;
  const text = `${sees} Click the image to choose another place.`;
  if (state.overlay === "field") return { layers: [fieldFrame(node.field, place)], text };
  if (!node.effective_field) return { layers: [], text: noEffectiveFieldText(node) };
  return {
    layers: [effectiveField(node, place, places), fieldFrame(node.field, place)],
    text: `${text} Computed at the center and shifted to this place.`,
  };
}

function fieldFrame(field, place) {
  const [y, x] = field.map((axis, i) => startOf(axis, place[i]));
  const [height, width] = field.map((axis) => axis.size);
  return svg("rect", { class: "field", x, y, width, height });
}

function effectiveField(node, place, places) {
  const [y, x] = node.field.map((axis, i) => (place[i] - Math.floor(places[i] / 2)) * axis.stride);
  return imageLayer(node.effective_field, x, y);
}

function imageLayer(href, x = 0, y = 0) {
  return svg("image", { href, ...imageSize(), x, y, class: "layer" });
}

function noFieldText(node) {
  const known = typeof node.field === "string";
  return `${node.title}: ${known ? `every place sees the ${node.field}` : "its receptive field is unknown"}.`;
}

function noEffectiveFieldText(node) {
  const computed = record.nodes.filter((other) => other.effective_field).map((other) => other.title);
  return `No effective receptive field was computed for ${node.title}, only for ${computed.join(", ")}.`;
}
