// A report on a bad line. What is typed stays on this device until it was filed; what was sent into a dead connection
// waits here with its form key and goes out when the signal is back. The key makes sending twice harmless.
const HOUR = 3_600_000;
const GIVE_UP_AFTER = 144 * HOUR; // the server remembers a key for seven days; an older sheet is looked at again by its writer
const AGAIN_EVERY = 10_000;
const note = document.getElementById("draft-state");
const list = document.getElementById("outbox");
const filed = document.getElementById("filed");
const marked = document.querySelector("[data-draft]");
const where = marked?.dataset.draft;
const waiting = marked?.dataset.waiting; // of this person, whatever the incident
const forms = [...document.querySelectorAll("form[data-queue]")];
const sheet = document.getElementById("report");

const load = (key) => JSON.parse(localStorage.getItem(key) || "[]");
const clock = (at) => new Date(at).toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" });

function store(key, items) {
  try {
    if (items.length) localStorage.setItem(key, JSON.stringify(items));
    else localStorage.removeItem(key);
    return true;
  } catch {
    return false; // full, or forbidden in a private window
  }
}

function fields(form) {
  return [...new FormData(form)].filter(([name, value]) => name !== "form_key" && value !== "" && typeof value === "string");
}

// What the person typed, without what the page itself put there.
function typed() {
  const own = ([name]) => ![...sheet.querySelectorAll("[type=hidden], #next_minutes, #source")].some((field) => field.name === name);
  return fields(sheet).filter(own);
}

function restore(saved) {
  for (const [name, value] of saved) {
    const field = sheet.elements.namedItem(name);
    if (field && "value" in field && field.type !== "hidden") field.value = value;
    field?.closest?.("details")?.setAttribute("open", "");
  }
}

function say(text) {
  if (!note) return;
  note.textContent = text;
  note.hidden = !text;
}

function line(entry, text, link) {
  const item = document.createElement("li");
  item.dataset.key = entry.key;
  item.textContent = text;
  if (link) {
    const anchor = document.createElement("a");
    anchor.href = link;
    anchor.textContent = list.dataset.open;
    item.append(" ", anchor);
  }
  return item;
}

function show(entry, word, link) {
  if (!list) return;
  const item = line(entry, list.dataset[word].replace("{time}", clock(entry.at)), link);
  const before = list.querySelector(`[data-key="${entry.key}"]`);
  if (before) before.replaceWith(item);
  else list.append(item);
  list.hidden = false;
}

function remove(entry) {
  store(waiting, load(waiting).filter((each) => each.key !== entry.key));
}

// → "sent" (and where it lies), "waits" (no connection, or the server is busy), "refused", or "stranger" (signed out).
async function post(entry) {
  const body = new URLSearchParams([...entry.fields, ["form_key", entry.key], ["waited_seconds", Math.max(0, Math.round((Date.now() - entry.at) / 1000))]]);
  try {
    const answer = await fetch(entry.action, { method: "POST", body, signal: AbortSignal.timeout(30_000) });
    const path = new URL(answer.url).pathname;
    if (path.startsWith("/sign-in")) return { outcome: "stranger" };
    if (answer.redirected) return { outcome: "sent", link: path };
    if (answer.ok) return { outcome: "sent", link: null };
    // 409 with a time to come back: the first try is still at work. Without one the incident takes nothing (closed, say), today and tomorrow.
    const isBusy = answer.status === 409 && answer.headers.has("Retry-After");
    if (isBusy || answer.status >= 500 || [408, 425, 429].includes(answer.status)) return { outcome: "waits" };
    return { outcome: answer.status === 401 ? "stranger" : "refused" };
  } catch {
    return { outcome: "waits" };
  }
}

async function deliver(entry) {
  const { outcome, link } = await post(entry);
  if (outcome === "sent") {
    remove(entry);
    show(entry, "sent", link);
    return link;
  }
  if (outcome === "refused") giveBack(entry);
  else show(entry, outcome === "stranger" ? "stranger" : "queued");
  return null;
}

// Nothing is thrown away: a sheet that the server will not take goes back into the form, or waits until that is free.
function giveBack(entry) {
  const isHere = sheet && entry.where === where;
  const isFree = !load(entry.where).length && !(isHere && typed().length);
  show(entry, isFree ? "refused" : "held");
  if (!isFree || !store(entry.where, entry.fields)) {
    store(waiting, load(waiting).map((each) => (each.key === entry.key ? { ...each, isRefused: true } : each)));
    return;
  }
  remove(entry);
  if (isHere) restore(entry.fields);
}

async function deliverAll() {
  for (const entry of load(waiting)) {
    if (entry.isRefused || Date.now() - entry.at > GIVE_UP_AFTER) giveBack(entry);
    else await deliver(entry);
  }
}

// One tab at a time where the browser can; elsewhere the key sees to it.
let isRunning = false;
async function flush() {
  if (isRunning || !load(waiting).length) return;
  isRunning = true;
  try {
    if (navigator.locks) await navigator.locks.request(waiting, { ifAvailable: true }, (lock) => lock && deliverAll());
    else await deliverAll();
  } finally {
    isRunning = false;
  }
}

function freshKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function submit(event) {
  const form = event.target;
  const entry = { key: form.elements.form_key.value, action: form.action, fields: fields(form), at: Date.now(), where };
  if (!store(waiting, [...load(waiting), entry])) return; // no room: the browser sends it as it would without us
  event.preventDefault();
  const button = form.querySelector("button.main");
  button.disabled = true;
  show(entry, "sending");
  const { outcome, link } = await post(entry);
  button.disabled = false;
  if (outcome === "sent" || outcome === "refused") {
    remove(entry);
    if (outcome === "sent") {
      if (form === sheet) store(where, []);
      location.assign(link || location.href);
      return;
    }
    form.elements.form_key.value = freshKey(); // the refusal is kept under the old one; the server says again what is wrong
    form.submit();
    return;
  }
  show(entry, outcome === "stranger" ? "stranger" : "queued");
  form.elements.form_key.value = freshKey();
  if (form === sheet) {
    form.reset();
    store(where, []);
  }
  say(note.dataset.kept);
  note.scrollIntoView();
}

if (filed) store(where, []);
if (sheet) {
  if (!document.querySelector("main > .problem:not(#draft-state)")) restore(load(where));
  sheet.addEventListener("input", () => {
    if (!store(where, typed().length ? fields(sheet) : [])) say(note.dataset.full);
  });
}
if (where) {
  for (const form of forms) form.addEventListener("submit", submit);
  for (const entry of load(waiting)) show(entry, entry.isRefused ? "held" : "queued");
  addEventListener("online", flush);
  document.addEventListener("visibilitychange", () => document.hidden || flush());
  setInterval(flush, AGAIN_EVERY);
  flush();
}
