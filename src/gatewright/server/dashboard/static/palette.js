// Search from anywhere: Ctrl K or ⌘ K opens it, and what it finds is what the page of the search finds. And
// keys that lead somewhere by themselves, which can be switched off (WCAG 2.1.4) and never act in a field.
const OFF = "gatewright-single-keys-off";
const PLACES = { a: "/apis", p: "/apps", l: "/logs", k: "/keys", h: "/", s: "/settings" };
const SHORTCUTS = [
  ["Ctrl K or ⌘ K", "Search"],
  ["/", "Search"],
  ["?", "These shortcuts"],
  ["g h", "Home"],
  ["g a", "APIs"],
  ["g p", "Applications"],
  ["g l", "Logs"],
  ["g k", "Signing keys"],
  ["g s", "Settings"],
];
const SEQUENCE = 1500; // milliseconds between two keys
const PAUSE = 120; // milliseconds without a key, after which is asked

const element = (name, members = {}, ...children) => {
  const { attributes = {}, ...properties } = members;
  const made = Object.assign(document.createElement(name), properties);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};
// Storage may be forbidden: then the keys are on, as at first.
const areOff = () => { try { return localStorage.getItem(OFF) === "1"; } catch { return false; } };
const setOff = (off) => { try { if (off) localStorage.setItem(OFF, "1"); else localStorage.removeItem(OFF); } catch { /* as above */ } };

const link = document.querySelector("a[data-palette]");
if (link) {
  const prefix = new URL(link.href).pathname.replace(/\/search$/, "");
  const help = shortcuts();
  const open = palette(prefix, help);
  link.setAttribute("role", "button");
  link.setAttribute("aria-haspopup", "dialog");
  link.addEventListener("keydown", (event) => { if (event.key === " ") { event.preventDefault(); open(); } });
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open();
  });
  keys(prefix, open, help);
}

function palette(prefix, help) {
  const input = element("input", { type: "search", attributes: {
    role: "combobox", "aria-label": "Search", "aria-expanded": "true", "aria-controls": "palette-found",
    "aria-autocomplete": "list", autocomplete: "off", placeholder: "A page, API, application, id or action", maxlength: "600",
  } });
  const list = element("div", { id: "palette-found", attributes: { role: "listbox", "aria-label": "Found" } });
  const status = element("p", { className: "unseen", attributes: { role: "status" } });
  const about = element("button", { type: "button", className: "quiet", textContent: "Keyboard shortcuts" });
  const close = element("button", { type: "button", className: "quiet", textContent: "Close" });
  const foot = element("p", {}, element("span", { className: "hint", textContent: "↑ ↓ to choose, Enter to go, Esc to close" }), about, close);
  const dialog = element("dialog", { className: "palette", attributes: { "aria-label": "Search" } }, input, status, list, foot);
  document.body.append(dialog);
  let options = [], chosen = -1, asking = null, timer = 0;

  const choose = (index) => {
    options[chosen]?.setAttribute("aria-selected", "false");
    chosen = options.length ? (index + options.length) % options.length : -1;
    const option = options[chosen];
    if (!option) return input.removeAttribute("aria-activedescendant");
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", option.id);
  };
  const go = (option) => { if (option) location.assign(option.dataset.href); };
  const draw = (groups) => {
    options = [];
    const drawn = groups.map((group, at) => {
      const heading = element("p", { id: `palette-group-${at}`, className: "hint", textContent: group.name, attributes: { role: "presentation" } });
      const rows = group.results.map((result) => {
        const name = element("span", { textContent: result.name });
        const told = element("span", { className: "hint", textContent: result.about });
        const option = element("div", { id: `palette-${options.length}`, attributes: { role: "option", "aria-selected": "false" } }, name, " ", told);
        option.dataset.href = result.href;
        option.addEventListener("click", () => go(option));
        options.push(option);
        return option;
      });
      return element("div", { attributes: { role: "group", "aria-labelledby": heading.id } }, heading, ...rows);
    });
    list.replaceChildren(...drawn);
    choose(0);
    status.textContent = options.length === 1 ? "1 found" : `${options.length} found`;
    if (!options.length) list.replaceChildren(element("p", { className: "hint", textContent: "Nothing is called that." }));
  };
  const ask = async () => {
    asking?.abort();
    const mine = asking = new AbortController();
    const address = `${prefix}/search?${new URLSearchParams({ q: input.value })}`;
    const headers = { Accept: "application/json" };
    const answer = await fetch(address, { headers, signal: mine.signal }).catch(() => null);
    if (mine.signal.aborted) return;
    if (answer?.ok && answer.headers.get("content-type") === "application/json") draw((await answer.json()).groups);
    else location.assign(address); // logged out, or away: the page says so
  };

  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, PAUSE); });
  input.addEventListener("keydown", async (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown") choose(chosen + 1);
    else if (event.key === "ArrowUp") choose(chosen - 1);
    else if (event.key === "Enter") {
      event.preventDefault();
      if (timer) { clearTimeout(timer); timer = 0; await ask(); } // what is shown may be of less than was typed
      return go(options[chosen]);
    } else return;
    event.preventDefault();
  });
  about.addEventListener("click", () => { dialog.close(); help(); });
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  return () => {
    if (dialog.open) return;
    dialog.showModal();
    input.select();
    input.focus();
    ask();
  };
}

function shortcuts() {
  const rows = SHORTCUTS.flatMap(([keys, what]) => [
    element("dt", {}, element("kbd", { textContent: keys })), element("dd", { textContent: what }),
  ]);
  const box = element("input", { type: "checkbox" });
  const close = element("button", { type: "button", textContent: "Close" });
  const heading = element("h2", { id: "shortcuts-title", textContent: "Keyboard shortcuts" });
  const dialog = element("dialog", { className: "palette", attributes: { "aria-labelledby": heading.id } },
    heading, element("dl", {}, ...rows),
    element("label", { className: "tick" }, box, " Keys without Ctrl or ⌘ do something"),
    element("p", { className: "hint", textContent: "They never do while you type in a field. This browser remembers the choice." }), close);
  document.body.append(dialog);
  box.addEventListener("change", () => setOff(!box.checked));
  close.addEventListener("click", () => dialog.close());
  return () => { box.checked = !areOff(); dialog.showModal(); };
}

function keys(prefix, open, help) {
  let went = -Infinity; // when g was pressed
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      return open();
    }
    const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.isComposing && !event.repeat;
    // A dialog that was just closed may keep the focus for a moment.
    const isTyped = event.target.closest?.("input, textarea, select, [contenteditable]")?.checkVisibility();
    if (!isPlain || isTyped || areOff() || document.querySelector("dialog[open]")) return;
    const follows = event.timeStamp - went < SEQUENCE;
    went = event.key === "g" ? event.timeStamp : -Infinity;
    if (follows && Object.hasOwn(PLACES, event.key)) location.assign(prefix + PLACES[event.key]);
    else if (event.key === "/") open();
    else if (event.key === "?") help();
    else return;
    event.preventDefault();
  });
}
