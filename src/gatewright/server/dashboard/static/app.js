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

// A tick is a change of its own: the form around it is sent at once, one after the other, and the page stays.
// What does not go through is sent once more as without script, so that the page says why.
for (const form of document.querySelectorAll("form[data-at-once]")) {
  const saved = form.querySelector("[data-saved]");
  let last = Promise.resolve();
  const send = async () => {
    const body = new URLSearchParams(new FormData(form));
    const answer = await fetch(form.action, { method: "POST", body }).catch(() => null);
    if (!answer?.ok || new URL(answer.url).pathname !== location.pathname) form.submit();
    else saved.textContent = "Saved";
  };
  form.addEventListener("change", () => {
    if (!saved) return form.requestSubmit();
    saved.textContent = "";
    const count = form.closest("details")?.querySelector("[data-count]");
    if (count) count.textContent = form.querySelectorAll("input[type=checkbox]:checked").length;
    last = last.then(send);
  });
}
