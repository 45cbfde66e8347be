// What stands in the page: classes, the rows of the table, and the images to be reviewed.

export const data = JSON.parse(document.getElementById("data").textContent);

/** The choice to leave an image out, where other choices are numbers of classes. */
export const DROPPED = -1;

/** The file that is shown of an item; others have the same bytes. */
export function fileOf(item) {
  return data.rows[item.rows[0]][0];
}

/** The number of the class that is its label in the folder. */
export function labelOf(item) {
  return data.rows[item.rows[0]][1];
}

/** The address of an image by its number. */
export function source(number) {
  return `data:image/jpeg;base64,${data.images[number]}`;
}
