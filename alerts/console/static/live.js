// Keeps one part of a page at the newest version: the stream says that there is one, the part is fetched as HTML.
// Without this script the page is complete as it was sent, and a link renews it.
const part = document.getElementById("sheet");
const state = document.getElementById("link-state");
const RENEW_MS = 60_000; // ages go on even when nothing happens
let isFetching = false;
let isNewer = false;

function say(isOn) {
  if (!state) return;
  state.textContent = isOn ? `● ${state.dataset.on}` : `▲ ${state.dataset.off}`;
  state.classList.toggle("off", !isOn);
}

function openOnes() {
  return [...part.querySelectorAll("details[open][id]")].map((each) => each.id);
}

async function renew() {
  if (isFetching) { isNewer = true; return; }
  isFetching = true;
  try {
    const answer = await fetch(part.dataset.part, { headers: { "X-Part": "1" }, credentials: "same-origin" });
    if (answer.redirected) { location.reload(); return; }
    if (!answer.ok) { say(false); return; }
    const html = await answer.text();
    const open = openOnes();
    const focused = document.activeElement?.id;
    part.innerHTML = html;
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    if (focused) document.getElementById(focused)?.focus();
  } catch {
    say(false);
  } finally {
    isFetching = false;
    if (isNewer) { isNewer = false; renew(); }
  }
}

let seen = part.dataset.version || "";
function onSheet(event) {
  say(true);
  const version = event.lastEventId || "";
  if (version && version === seen) return;
  seen = version;
  renew();
}

const source = new EventSource(part.dataset.live);
source.addEventListener("open", () => say(true));
source.addEventListener("error", () => say(false));
for (const name of ["message", "sheet", "snapshot"]) source.addEventListener(name, onSheet);
setInterval(() => { if (!document.hidden) renew(); }, RENEW_MS);
document.addEventListener("visibilitychange", () => { if (!document.hidden) renew(); });
addEventListener("pagehide", () => source.close());
