// Shows the alerts that come to this browser, and keeps its address known. It touches no page and caches nothing.
const ROOT = new URL("./", self.location.href).href;
const OURS = "siaga-link";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("push", (event) => event.waitUntil(show(event.data)));

async function show(sent) {
  const said = read(sent);
  const more = said.data ?? {};
  const isQuiet = said.is_quiet === true;
  await self.registration.showNotification(said.title || "Siaga", {
    body: said.body || "",
    data: { link: more.link },
    // Another try of the same message takes the place of the first; another message never does.
    tag: String(more.attempt_id ?? Date.now()).split("-")[0],
    silent: isQuiet,
    requireInteraction: !isQuiet,
  });
}

function read(sent) {
  try {
    return sent ? sent.json() : {};
  } catch {
    return { body: sent.text() };
  }
}

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data?.link));
});

async function open(link) {
  const address = link && new URL(link, ROOT);
  // A citizen's own page and nothing else: whatever a message may claim.
  if (!address || !address.href.startsWith(ROOT)) return;
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const page = pages.find((each) => new URL(each.url).pathname === address.pathname);
  await (page ? page.focus() : self.clients.openWindow(address.href));
}

self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(renew(event)));

async function renew(event) {
  const kept = await (await caches.open(OURS)).match(`${ROOT}link`);
  if (!kept) return;
  const { link, is_exercise, key } = await kept.json();
  const options = { userVisibleOnly: true, applicationServerKey: event.oldSubscription?.options.applicationServerKey ?? key };
  const subscription = event.newSubscription ?? (await self.registration.pushManager.subscribe(options));
  await fetch("/api/v1/link/browsers", {
    method: "POST",
    credentials: "omit",
    headers: { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID() },
    body: JSON.stringify({ link, is_exercise, subscription }),
  });
}
