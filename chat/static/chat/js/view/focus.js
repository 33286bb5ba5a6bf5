// The field that a page was opened for.

/**
 * Focus it, unless somebody has another one already. Not by `autofocus`: that waits for the first
 * frame, on a busy machine until after the page has loaded, and loses the first letters of who types
 * at once.
 */
export function focusNow(field) {
  if (document.activeElement === document.body) field.focus({ preventScroll: true });
}
