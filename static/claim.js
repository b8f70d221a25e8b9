// Moves what stands behind the # of a link into the form, and out of the address and its history.
// Without this file people paste their link.
const code = document.getElementById("code");
if (location.hash.length > 1) {
  code.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
}
