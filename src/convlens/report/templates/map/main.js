// The page of `convlens map`: a plane of images that can be moved, enlarged, and walked through by keys.

const data = JSON.parse(document.getElementById("data").textContent);
const sheet = new Image();
const canvas = document.getElementById("plane");
const status = document.getElementById("status");
const picture = document.getElementById("picture");
const MARGIN = 40;
const ZOOM = 1.25;
const STEP = 60;
const view = { scale: 1, x: 0, y: 0 };
let selected = null;
let shownGroup = null;

const KEYS = {
  "+": () => zoom(ZOOM, canvas.clientWidth / 2, canvas.clientHeight / 2),
  "=": () => zoom(ZOOM, canvas.clientWidth / 2, canvas.clientHeight / 2),
  "-": () => zoom(1 / ZOOM, canvas.clientWidth / 2, canvas.clientHeight / 2),
  0: whole,
  a: () => move(STEP, 0),
  d: () => move(-STEP, 0),
  w: () => move(0, STEP),
  s: () => move(0, -STEP),
  ArrowLeft: () => walk(-1, 0),
  ArrowRight: () => walk(1, 0),
  ArrowUp: () => walk(0, -1),
  ArrowDown: () => walk(0, 1),
};

canvas.addEventListener("keydown", (event) => {
  const action = KEYS[event.key];
  if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  action();
});
canvas.addEventListener(
  "wheel",
  (event) => {
    event.preventDefault();
    zoom(event.deltaY < 0 ? ZOOM : 1 / ZOOM, event.offsetX, event.offsetY);
  },
  { passive: false },
);
canvas.addEventListener("pointermove", (event) => {
  if (event.buttons & 1) move(event.movementX, event.movementY);
  else choose(nearest(event.offsetX, event.offsetY));
});
canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  choose(nearest(event.offsetX, event.offsetY));
});
canvas.addEventListener("dblclick", (event) => zoom(2, event.offsetX, event.offsetY));
for (const button of document.querySelectorAll("[data-group]")) {
  button.addEventListener("click", () => toggle(button));
}
document.getElementById("whole").addEventListener("click", whole);
document.getElementById("nearer").addEventListener("click", KEYS["+"]);
document.getElementById("farther").addEventListener("click", KEYS["-"]);
new ResizeObserver(draw).observe(canvas);
sheet.addEventListener("load", draw);
// The sheet stands in the page once, as url("...") in its style.
sheet.src = getComputedStyle(picture).backgroundImage.slice(5, -2);

/** Where a point is on the canvas, in CSS pixels. */
function place([x, y]) {
  const side = Math.min(canvas.clientWidth, canvas.clientHeight) - 2 * MARGIN;
  const left = (canvas.clientWidth - side) / 2;
  return [(left + x * side) * view.scale + view.x, (MARGIN + y * side) * view.scale + view.y];
}

/** Pixels a side of an image: larger as one comes nearer, up to its size on the sheet. */
function imageSide() {
  const room = canvas.clientWidth / Math.sqrt(data.points.length);
  return Math.max(10, Math.min(data.cell * 1.5, 0.8 * room * view.scale ** 0.8));
}

function draw() {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = canvas.clientHeight * ratio;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  data.points.forEach((point, index) => {
    if (index !== selected) drawPoint(context, point, index, imageSide());
  });
  if (selected !== null) drawPoint(context, data.points[selected], selected, Math.max(imageSide(), data.cell));
}

function drawPoint(context, point, index, size) {
  const [x, y] = place(point);
  if (x < -size || y < -size || x > canvas.clientWidth + size || y > canvas.clientHeight + size) return;
  const { cell, columns } = data;
  const [left, top] = [(index % columns) * cell, Math.floor(index / columns) * cell];
  context.globalAlpha = shownGroup === null || shownGroup === point[2] ? 1 : 0.12;
  context.fillStyle = colorOf(point[2]);
  const edge = index === selected ? 4 : 2;
  context.fillRect(x - size / 2 - edge, y - size / 2 - edge, size + 2 * edge, size + 2 * edge);
  context.drawImage(sheet, left, top, cell, cell, x - size / 2, y - size / 2, size, size);
  context.globalAlpha = 1;
}

/** Hues that are far apart for neighboring numbers; the page's legend has the same. */
function colorOf(group) {
  return `hsl(${(group * 137.5) % 360} 65% 50%)`;
}

function nearest(x, y) {
  let best = null;
  let least = (imageSide() + 8) ** 2;
  data.points.forEach((point, index) => {
    const [px, py] = place(point);
    const distance = (px - x) ** 2 + (py - y) ** 2;
    if (distance < least && (shownGroup === null || shownGroup === point[2])) {
      least = distance;
      best = index;
    }
  });
  return best;
}

/** The next image in a direction: near, and not far to the side. */
function walk(dx, dy) {
  if (selected === null) {
    choose(nearest(canvas.clientWidth / 2, canvas.clientHeight / 2) ?? 0);
    return;
  }
  const [x, y] = place(data.points[selected]);
  let best = null;
  let least = Infinity;
  data.points.forEach((point, index) => {
    if (shownGroup !== null && shownGroup !== point[2]) return;
    const [px, py] = place(point);
    const along = (px - x) * dx + (py - y) * dy;
    const across = Math.abs((px - x) * dy - (py - y) * dx);
    if (along <= 0.5 || across > 2 * along) return;
    if (along + 2 * across < least) {
      least = along + 2 * across;
      best = index;
    }
  });
  if (best !== null) choose(best, true);
}

function choose(index, follow = false) {
  if (index === selected) return;
  selected = index;
  if (index === null) {
    status.textContent = "";
    picture.style.visibility = "hidden";
  } else {
    const [, , group, file] = data.points[index];
    status.textContent = `${file} (${data.groups[group]})`;
    const { cell, columns } = data;
    picture.style.backgroundPosition = `-${(index % columns) * cell * 2}px -${Math.floor(index / columns) * cell * 2}px`;
    picture.style.visibility = "visible";
    if (follow) intoView(place(data.points[index]));
  }
  draw();
}

function intoView([x, y]) {
  if (x < 0 || x > canvas.clientWidth) view.x += canvas.clientWidth / 2 - x;
  if (y < 0 || y > canvas.clientHeight) view.y += canvas.clientHeight / 2 - y;
}

function zoom(factor, x, y) {
  const scale = Math.max(0.5, Math.min(40, view.scale * factor));
  view.x = x - ((x - view.x) * scale) / view.scale;
  view.y = y - ((y - view.y) * scale) / view.scale;
  view.scale = scale;
  draw();
}

function move(dx, dy) {
  view.x += dx;
  view.y += dy;
  draw();
}

function whole() {
  Object.assign(view, { scale: 1, x: 0, y: 0 });
  draw();
}

function toggle(button) {
  const group = Number(button.dataset.group);
  shownGroup = shownGroup === group ? null : group;
  for (const one of document.querySelectorAll("[data-group]")) {
    one.setAttribute("aria-pressed", String(Number(one.dataset.group) === shownGroup));
  }
  draw();
}
