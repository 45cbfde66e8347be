// From an image file to the pixels that the model takes: 8-bit RGB, upright, transparent parts on white.

const MOST_PIXELS = 4_000_000;

/** Pixels of shape (height, width, 3), and by how much they were reduced before, of a file that the browser can read. */
export async function pixelsOf(file, leastSide) {
  const bitmap = await decoded(file);
  const canvas = document.createElement("canvas");
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const factor = factorFor(canvas.width, canvas.height, leastSide);
  const width = Math.floor(canvas.width / factor);
  const height = Math.floor(canvas.height / factor);
  const rgb = factor === 1 ? withoutAlpha(data) : averaged(data, canvas.width, width, height, factor);
  return { rgb, width, height, factor };
}

async function decoded(file) {
  try {
    return await createImageBitmap(file, {
      imageOrientation: "from-image",
      colorSpaceConversion: "none",
      premultiplyAlpha: "default",
    });
  } catch {
    throw new Error("This browser cannot read the file as an image.");
  }
}

/** Huge images are first reduced by a whole number, as long as the model is to reduce them further. */
function factorFor(width, height, leastSide) {
  let factor = 1;
  const fits = (next) => Math.min(width, height) / next >= leastSide;
  while ((width * height) / factor ** 2 > MOST_PIXELS && fits(2 * factor)) factor *= 2;
  return factor;
}

function withoutAlpha(data) {
  const rgb = new Uint8Array((data.length / 4) * 3);
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    rgb[to] = data[from];
    rgb[to + 1] = data[from + 1];
    rgb[to + 2] = data[from + 2];
  }
  return rgb;
}

/** Means of squares of `factor` pixels; `stride` is the width of the whole image. */
function averaged(data, stride, width, height, factor) {
  const rgb = new Uint8Array(width * height * 3);
  for (let place = 0; place < rgb.length; place += 1) {
    const channel = place % 3;
    const x = Math.floor(place / 3) % width;
    const y = Math.floor(place / 3 / width);
    let sum = 0;
    for (let row = 0; row < factor; row += 1) {
      const start = ((y * factor + row) * stride + x * factor) * 4 + channel;
      for (let column = 0; column < factor; column += 1) sum += data[start + 4 * column];
    }
    rgb[place] = Math.round(sum / factor ** 2);
  }
  return rgb;
}
