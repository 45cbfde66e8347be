// Arithmetic on lists of numbers.

// Below every amount that a record holds; it only keeps a list of zeros from being divided by zero.
const TINY = 1e-30;

export function product(values) {
  return values.reduce((a, b) => a * b, 1);
}

/** Each value as a fraction of the largest; zeros where all are zero. */
export function fractionsOfLargest(values) {
  const largest = Math.max(...values, TINY);
  return values.map((value) => value / largest);
}

/** Consecutive rows of so many values each. */
export function rowsOf(values, columns) {
  return Array.from({ length: values.length / columns }, (_, i) => values.slice(i * columns, (i + 1) * columns));
}
