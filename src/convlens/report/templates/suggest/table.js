// A table as a CSV file that the browser saves, from this page alone.

const SPECIAL = /[",\r\n]|^\s|\s$/u;

/** Saves rows of texts under that name. */
export function saveTable(rows, name) {
  const text = rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
  const link = document.createElement("a");
  link.href = `data:text/csv;charset=utf-8,${encodeURIComponent(text)}`;
  link.download = name;
  link.click();
}

function cell(text) {
  return SPECIAL.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
