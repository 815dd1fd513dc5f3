// What script adds: copying, and questions before what cannot be undone. Every page works without it.

for (const button of document.querySelectorAll("button.copy")) {
  if (!navigator.clipboard) break;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    const label = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = label; }, 1500);
  });
}

for (const form of document.querySelectorAll("form[data-sure]")) {
  form.addEventListener("submit", (event) => {
    if (!window.confirm(form.dataset.sure)) event.preventDefault();
  });
}

// A tick is a change of its own: the form around it is sent at once.
for (const box of document.querySelectorAll("form[data-at-once] input[type=checkbox]")) {
  box.addEventListener("change", () => box.form.requestSubmit());
}
