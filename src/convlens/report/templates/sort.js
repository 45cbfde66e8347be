// A click on the head of a column sorts its table; the page is complete without this.

for (const head of document.querySelectorAll("table.sortable thead th")) makeSortable(head);

function makeSortable(head) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => sortBy(head));
}

function sortBy(head) {
  const heads = [...head.parentElement.children];
  const [body] = head.closest("table").tBodies;
  const descending = head.getAttribute("aria-sort") === "ascending";
  for (const other of heads) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const valueIn = (row) => valueOf(row.cells[heads.indexOf(head)]);
  const rows = [...body.rows].sort((a, b) => compare(valueIn(a), valueIn(b)));
  body.append(...(descending ? rows.reverse() : rows));
}

// A number where the text begins with one, in groups of three or not; what follows it is its unit.
function valueOf(cell) {
  const text = cell.textContent.trim();
  const number = Number.parseFloat(text.replaceAll(/[,\u00A0]/gu, ""));
  return Number.isNaN(number) ? text : number;
}

// Numbers come before all texts.
function compare(a, b) {
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
