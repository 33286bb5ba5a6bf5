// The field that a page was opened for.

/**
 * Focus it now. By itself `autofocus` waits for the first frame, on a busy machine until after the
 * page has loaded: the first letters of who types at once would be lost.
 */
export function focusNow(field) {
  if (document.activeElement === document.body) field.focus({ preventScroll: true });
}
