// Moves what stands behind the # of a link into the form, and out of the address and its history.
// Without this file people paste their link.
const code = document.getElementById("code");
const take = () => {
  if (location.hash.length < 2) return;
  code.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
};
take();
addEventListener("hashchange", take);
