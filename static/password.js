// Lets people see the password they type. Without this file there is just no such button.
for (const button of document.querySelectorAll("[data-shows]")) {
  const field = document.getElementById(button.dataset.shows);
  const name = button.textContent.slice(4);
  const show = (shown) => {
    field.type = shown ? "text" : "password";
    button.textContent = (shown ? "Hide" : "Show") + name;
  };
  button.hidden = false;
  button.addEventListener("click", () => show(field.type === "password"));
  field.form.addEventListener("submit", () => show(false));
}
