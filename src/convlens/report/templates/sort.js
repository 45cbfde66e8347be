"use strict";
// A click on the head of a column sorts its table; the page is complete without this.
for (const head of document.querySelectorAll("table.sortable thead th")) {
  const column = [...head.parentElement.children].indexOf(head), body = head.closest("table").tBodies[0];
  const value = (row) => {
    const text = row.cells[column].textContent.trim(), number = parseFloat(text.replace(/[,\u00a0]/g, ""));
    return Number.isNaN(number) ? text : number;
  };
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => {
    const descending = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const compared = (a, b) => (typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1);
    const rows = [...body.rows].sort((a, b) => compared(value(a), value(b)));
    body.append(...(descending ? rows.reverse() : rows));
  });
}
