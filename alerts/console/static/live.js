// Keeps one part of a page at the newest version: the stream says that there is one, the part is fetched as HTML.
// Without this script the page is complete as it was sent, and a link renews it.
// It says that it is live only while the stream speaks and the newest version that it named is on the page; otherwise
// it says how old all of it is, for the ages that it was sent with stand still.
const part = document.getElementById("sheet");
const state = document.getElementById("link-state");
const RENEW_MS = 60_000; // ages go on even when nothing happens
const SILENT_MS = 40_000; // the stream repeats its newest version every 15 s
const AGAIN_MS = 3_000;
const FETCH_MS = 10_000;
let isFetching = false;
let isNewer = false;
let shown = part.dataset.version || "";
let named = shown;
let heardAt = Date.now();
let shownAt = Date.now();
let source = null;
const age = document.createElement("span");
age.setAttribute("aria-live", "off"); // it counts on; that it is cut off is said aloud once

function say(isOn) {
  if (!state) return;
  const words = isOn ? `● ${state.dataset.on}` : `▲ ${state.dataset.off} `;
  if (state.firstChild?.textContent !== words) state.replaceChildren(words);
  state.classList.toggle("off", !isOn);
  if (isOn) { age.remove(); return; }
  age.textContent = `${state.dataset.age} ${ago((Date.now() - shownAt) / 1000)}.`;
  if (!age.isConnected) state.append(age);
}

function ago(seconds) {
  const words = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "always" });
  if (seconds < 60) return words.format(-Math.floor(seconds / 10) * 10, "second");
  return seconds < 7200 ? words.format(-Math.floor(seconds / 60), "minute") : words.format(-Math.floor(seconds / 3600), "hour");
}

function isLive() {
  return source?.readyState === EventSource.OPEN && Date.now() - heardAt < SILENT_MS && shown === named;
}

function openOnes() {
  return [...part.querySelectorAll("details[open][id]")].map((each) => each.id);
}

async function renew() {
  if (isFetching) { isNewer = true; return; }
  isFetching = true;
  const wanted = named;
  const askedAt = Date.now();
  try {
    const options = { headers: { "X-Part": "1" }, credentials: "same-origin", signal: AbortSignal.timeout(FETCH_MS) };
    const answer = await fetch(part.dataset.part, options);
    if (answer.redirected) { location.reload(); return; }
    if (!answer.ok) { say(false); return; }
    const html = await answer.text();
    const open = openOnes();
    const focused = document.activeElement?.id;
    part.innerHTML = html;
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    if (focused) document.getElementById(focused)?.focus();
    shown = wanted;
    shownAt = askedAt;
    say(isLive());
  } catch {
    say(false);
  } finally {
    isFetching = false;
    if (isNewer) { isNewer = false; renew(); }
  }
}

// A version counts as seen only once it is on the page: a fetch that failed is tried again by the next repetition.
function onSheet(event) {
  heardAt = Date.now();
  named = event.lastEventId || "";
  if (named && named === shown) say(isLive());
  else renew();
}

// A stream that was refused (a server that starts again) is closed for good by the browser, a frozen one says nothing.
function connect() {
  source?.close();
  heardAt = Date.now();
  source = new EventSource(part.dataset.live);
  source.addEventListener("error", () => say(false));
  for (const name of ["message", "sheet", "snapshot"]) source.addEventListener(name, onSheet);
}

function watch() {
  const isSilent = Date.now() - heardAt > SILENT_MS;
  if (isSilent || state?.classList.contains("off")) say(false); // its age grows
  if (isSilent || source.readyState === EventSource.CLOSED) connect();
}

connect();
setInterval(watch, AGAIN_MS);
setInterval(() => { if (!document.hidden) renew(); }, RENEW_MS);
document.addEventListener("visibilitychange", () => { if (!document.hidden) { watch(); renew(); } });
addEventListener("online", () => { connect(); renew(); });
addEventListener("pagehide", () => source.close());
addEventListener("pageshow", (event) => { if (event.persisted) { connect(); renew(); } });
