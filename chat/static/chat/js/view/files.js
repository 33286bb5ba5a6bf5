// Files that somebody pastes or drops on the page.

/**
 * `refused` is called where files are pasted into `field` or dropped anywhere. Text that comes with
 * them is taken as always.
 */
export function hearFiles(field, refused) {
  field.addEventListener("paste", ({ clipboardData }) => {
    if (clipboardData?.files.length) refused();
  });
  // The browser would open a file that is dropped, in place of the page and of what is written here.
  addEventListener("dragover", (event) => {
    if (hasFiles(event)) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    refused();
  });
}

function hasFiles({ dataTransfer }) {
  return Boolean(dataTransfer?.types.includes("Files"));
}
