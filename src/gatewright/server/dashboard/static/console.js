// What script adds to the console: calls go from this browser where the API allows it, and leave a history.

const WAIT = 10000; // milliseconds for an answer
const LONGEST = 65536; // characters of a body that are shown
const MOST = 20; // calls in the history

const form = document.querySelector("form[data-call]");

// The token as it goes out; the form's choices are those of the server (console_call.py).
const sentToken = (token, sends) => {
  const word = token.trim().split(/\s+/).pop();
  if (sends !== "changed") return word;
  const at = word.length - Math.floor((word.length - word.lastIndexOf(".") - 1) / 2) - 1;
  return word.slice(0, at) + (word[at] === "A" ? "B" : "A") + word.slice(at + 1);
};

// The answer, or null where the API lets no page of another site ask: then the server asks.
const ask = async (fields) => {
  const headers = new Headers();
  const begun = performance.now();
  try {
    for (const line of fields.headers.value.split("\n").filter((each) => each.trim())) {
      headers.append(line.slice(0, line.indexOf(":")).trim(), line.slice(line.indexOf(":") + 1).trim());
    }
    headers.set("Authorization", `Bearer ${sentToken(fields.token.value, fields.sends.value)}`);
    const answer = await fetch(fields.base_url.value.replace(/\/$/, "") + fields.path.value, {
      method: fields.method.value,
      headers,
      body: fields.body.value || undefined,
      redirect: "error",
      credentials: "omit",
      cache: "no-store",
      referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout(WAIT),
    });
    const body = (await answer.text()).slice(0, LONGEST);
    const milliseconds = Math.round(performance.now() - begun);
    return { status: answer.status, headers: [...answer.headers], body, milliseconds };
  } catch {
    return null;
  }
};

const send = async () => {
  const fields = form.elements;
  const answer = await ask(fields);
  fields.answer.value = answer ? JSON.stringify(answer) : "";
  form.submit();
};

form?.addEventListener("submit", (event) => {
  // A request without a token needs no leave of the API to be sent, only to be read: it might be made twice.
  const byServer = event.submitter?.hasAttribute("formaction") || form.elements.sends.value === "none";
  if (byServer || !form.elements.token.value.trim()) return;
  event.preventDefault();
  send();
});
for (const grant of document.querySelectorAll("form[data-grant]")) grant.elements.by.value = "browser";
if (form?.hasAttribute("data-send-now")) send();

// The history: of each API, newest first. Never a token, a header or a body.
const panel = document.querySelector("[data-history]");
const key = panel && `gatewright-console ${panel.dataset.history}`;

const stored = () => {
  try {
    const calls = JSON.parse(localStorage.getItem(key) ?? "[]");
    return Array.isArray(calls) ? calls.slice(0, MOST) : [];
  } catch {
    return [];
  }
};

const element = (name, text, more = {}) => Object.assign(document.createElement(name), { textContent: text }, more);

const shown = (call) => {
  const row = element("li", "");
  const line = element("p", "");
  line.append(
    element("span", call.status, { className: `state ${call.status < 400 ? "ok" : "refused"}` }),
    " ",
    element("code", `${call.method} ${call.base}${call.path}`),
    ` ${call.milliseconds} ms, ${new Date(call.at).toLocaleTimeString()} `,
  );
  const again = element("button", "Use again", { type: "button", className: "quiet" });
  again.addEventListener("click", () => {
    const fields = form.elements;
    [fields.method.value, fields.base_url.value, fields.path.value] = [call.method, call.base, call.path];
    fields.path.focus();
  });
  line.append(again);
  row.append(line);
  return row;
};

if (panel && form) {
  const outcome = document.querySelector("[data-outcome]");
  if (outcome) {
    const { outcome: status, milliseconds, method, base, path } = outcome.dataset;
    const call = { status: Number(status), milliseconds: Number(milliseconds), method, base, path, at: Date.now() };
    localStorage.setItem(key, JSON.stringify([call, ...stored()].slice(0, MOST)));
  }
  const calls = stored();
  panel.hidden = !calls.length;
  panel.querySelector("ol").append(...calls.map(shown));
  panel.querySelector(":scope > button").addEventListener("click", () => {
    localStorage.removeItem(key);
    panel.hidden = true;
  });
}
