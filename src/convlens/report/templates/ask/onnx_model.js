// The model of the folder, in onnxruntime as WebAssembly.

import { pixelsOf } from "./pixels.js";

/** The model of this folder's files, once they are here. */
export class OnnxModel {
  static async load() {
    const runtime = await import(here("runtime/ort.wasm.bundle.min.mjs"));
    runtime.env.wasm.numThreads = 1;
    runtime.env.wasm.wasmPaths = { wasm: here("runtime/ort-wasm-simd-threaded.wasm") };
    const [card, bytes] = await Promise.all([fetched("card.json"), fetched("model.onnx")]);
    const loaded = new OnnxModel();
    loaded.card = JSON.parse(new TextDecoder().decode(card));
    loaded.runtime = runtime;
    loaded.session = await runtime.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
    return loaded;
  }

  /** What the model says of an image file. */
  async predict(file) {
    const image = await pixelsOf(file, this.card.preprocessing.resize);
    const start = performance.now();
    const { row, unlike } = await this.answers(image);
    const remark = image.factor > 1 ? `read at 1/${image.factor} of its size` : null;
    const rejected = unlike !== null && unlike <= this.card.reject;
    return { ...this.named(row), p_value: unlike, rejected, remark, milliseconds: performance.now() - start };
  }

  /** One number for each class, label or number, and the p-value where the model gives one. */
  async answers({ rgb, width, height }) {
    const pixels = new this.runtime.Tensor("uint8", rgb, [1, height, width, 3]);
    const outputs = await this.session.run({ pixels });
    return { row: [...outputs.answers.data], unlike: outputs.p_values?.data[0] ?? null };
  }

  /** The largest difference from what the run answered to the images in the card. */
  proof() {
    return this.worst(this.card.golden);
  }

  /** One image after the other: there is one session. */
  async worst([image, ...others]) {
    if (image === undefined) return 0;
    return Math.max(await this.difference(image), await this.worst(others));
  }

  async difference({ png, answers }) {
    const bytes = Uint8Array.from(atob(png), (character) => character.codePointAt(0));
    const pixels = await pixelsOf(new Blob([bytes], { type: "image/png" }), Infinity);
    const { row } = await this.answers(pixels);
    const units = this.card.scale?.spread ?? row.map(() => 1);
    return Math.max(...row.map((value, place) => Math.abs(value - answers[place]) / units[place]));
  }

  named(row) {
    const entries = this.card.classes.map((name, place) => [name, row[place]]);
    if (this.card.task === "regression")
      return { predicted: "", probabilities: {}, numbers: Object.fromEntries(entries) };
    const ranked = [...entries].sort((one, other) => other[1] - one[1]);
    const labels = this.card.task === "multilabel" ? entries.filter(([, p]) => p > 0.5) : ranked.slice(0, 1);
    return {
      predicted: labels.map(([name]) => name).join(" | "),
      probabilities: Object.fromEntries(ranked),
      numbers: {},
    };
  }
}

/** The address of a file beside the page. */
function here(name) {
  return new URL(name, document.baseURI).href;
}

async function fetched(name) {
  const response = await fetch(name);
  if (!response.ok) throw new Error(`${name} is missing beside this page.`);
  return new Uint8Array(await response.arrayBuffer());
}
