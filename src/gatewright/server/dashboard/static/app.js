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

// The log as it happens: new rows on top. The server ends each answer after a few seconds and the browser asks
// again by itself, from where it left off.
const LIVE_FOR = 600000; // milliseconds, after which a forgotten page asks no more
const MOST_ROWS = 500;

for (const panel of document.querySelectorAll("[data-live]")) {
  const status = panel.querySelector("[role=status]");
  const button = panel.querySelector("button");
  const list = document.querySelector("table.log tbody");
  let source = null, after = panel.dataset.after, count = 0, told = "", ends = 0;

  const cell = (row, child) => { row.insertCell().append(child); };
  const element = (name, text, more = {}) => Object.assign(document.createElement(name), { textContent: text }, more);
  const link = (text, path) => element("a", text, { href: `/ui${path}` });

  const show = (event) => {
    if (list.querySelector(`[data-id="${CSS.escape(event.log_id)}"]`)) return;
    const row = list.insertRow(0);
    row.dataset.id = event.log_id;
    const time = element("time", event.date.slice(0, 19).replace("T", " "), { dateTime: event.date });
    const open = link("", `/logs/${event.log_id}`);
    open.append(time);
    cell(row, open);
    cell(row, element("span", event.word, { className: `state ${event.shape}` }));
    cell(row, event.what);
    cell(row, event.client_id ? link(event.application, event.application_path) : "");
    cell(row, event.api ? element("code", event.api) : "");
    cell(row, event.scope);
    cell(row, event.ip);
    count += 1;
    while (list.rows.length > MOST_ROWS) list.deleteRow(-1);
  };
  const say = (text) => { if (text !== told) { status.textContent = told = text; } };
  const tell = () => { if (source) say(`Live: ${count} new ${count === 1 ? "event" : "events"}.`); };
  const stop = (text) => { source?.close(); source = null; button.textContent = "Go on"; say(text); };
  const start = () => {
    ends = Date.now() + LIVE_FOR;
    source = new EventSource(`${panel.dataset.live}&after=${after}`);
    source.addEventListener("message", (message) => {
      after = message.lastEventId;
      JSON.parse(message.data).forEach(show);
    });
    source.addEventListener("error", () => {
      if (Date.now() > ends) stop("Live has stopped after 10 minutes.");
      else if (source?.readyState === EventSource.CLOSED) stop("Live has ended. Load the page again.");
    });
    button.textContent = "Pause";
    tell();
  };
  button.hidden = false;
  button.addEventListener("click", () => { if (source) stop(`Paused after ${count} new events.`); else start(); });
  setInterval(tell, 3000); // not at each event: a screen reader says every change
  start();
}
