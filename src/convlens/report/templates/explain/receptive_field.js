// Which place of a node sees a point of the image, and what that place sees. Along one axis place i sees the pixels
// from `offset + i * stride` on, `size` of them.

/** The place along one axis whose field has its middle nearest to the point. */
export function placeAt({ size, stride, offset }, point, places) {
  // A repeated axis has stride 0: all its places see the same, so its first place will do.
  const place = stride === 0 ? 0 : Math.round((point - offset - size / 2) / stride);
  return Math.min(places - 1, Math.max(0, place));
}

/** Where the field of the place begins. */
export function startOf({ stride, offset }, place) {
  return offset + place * stride;
}
