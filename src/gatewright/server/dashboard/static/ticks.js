// A tick is a change of its own: the form around it is sent at once, one after the other, and the page stays.
// What does not go through is sent once more as without script, so that the page says why. What went through
// can be undone for a while.
const OFFERED_FOR = 10000; // milliseconds, which stand still while the offer has the pointer or the focus

const post = async (action, fields) => {
  const answer = await fetch(action, {
    method: "POST", headers: { Accept: "application/json" }, body: new URLSearchParams(fields),
  }).catch(() => null);
  const isAnswer = answer?.ok && answer.headers.get("content-type") === "application/json";
  return isAnswer ? answer.json() : null;
};

const leave = (action, fields) => { // as a page without script would send it
  const form = document.createElement("form");
  Object.assign(form, { method: "post", action, hidden: true });
  for (const [name, value] of fields) {
    form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
  }
  document.body.append(form);
  form.submit();
};

for (const form of document.querySelectorAll("form[data-at-once]")) {
  const saved = form.querySelector("[data-saved]");
  const count = form.closest("details")?.querySelector("[data-count]");
  const offer = Object.assign(document.createElement("span"), { className: "toast", hidden: true });
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Undo" });
  offer.append(Object.assign(document.createElement("span"), { textContent: "Saved." }), button);
  saved.after(offer);
  let last = Promise.resolve(), undo = null, timer = 0;

  const tell = () => {
    if (count) count.textContent = form.querySelectorAll("input[type=checkbox]:checked").length;
  };
  const withdraw = () => {
    clearTimeout(timer);
    // Whoever stood on what goes away goes on from the ticks.
    if (offer.contains(document.activeElement)) form.querySelector("input[type=checkbox]")?.focus();
    offer.hidden = true;
  };
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => { if (offer.matches(":hover, :focus-within")) wait(); else withdraw(); }, OFFERED_FOR);
  };
  for (const kind of ["pointerleave", "focusout"]) offer.addEventListener(kind, wait);

  const send = async () => {
    const answer = await post(form.action, new FormData(form));
    if (!answer) return form.submit();
    undo = answer.undo;
    saved.textContent = undo ? "Saved. Undo is possible." : "Saved";
    offer.hidden = !undo;
    wait();
  };
  const takeBack = async () => {
    const { path, fields } = undo;
    const sent = [["csrf", form.elements.csrf.value], ...fields];
    const answer = await post(path, sent);
    if (!answer) return leave(path, sent);
    if (answer.all) return location.reload();
    for (const box of form.querySelectorAll("input[name=scope]")) box.checked = answer.scope.includes(box.value);
    tell();
    withdraw();
    saved.textContent = "Undone";
  };
  button.addEventListener("click", () => { last = last.then(takeBack); });
  form.addEventListener("change", () => {
    saved.textContent = "";
    withdraw();
    tell();
    last = last.then(send);
  });
}
