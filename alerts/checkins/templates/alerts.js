// Alerts in this browser: shown only where the browser can, and nothing is asked or sent before somebody taps.
const box = document.getElementById("alerts");
const OURS = "siaga-link";
const root = new URL("./", location.href);
const link = location.pathname.slice(root.pathname.length);
const is_exercise = root.pathname.startsWith("/exercise/");
const key = box.dataset.key;
const note = new URL("link", root).href;

const tell = (word) => {
  for (const line of box.querySelectorAll("[data-when]")) line.hidden = line.dataset.when !== word;
};
const offer = (isOn) => {
  box.querySelector("[data-act=on]").hidden = isOn;
  box.querySelector("[data-act=off]").hidden = !isOn;
};

async function post(path, body) {
  const answer = await fetch(`/api/v1/link/${path}`, {
    method: "POST",
    credentials: "omit",
    headers: { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID() },
    body: JSON.stringify({ link, is_exercise, ...body }),
  });
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).code ?? "failed");
}

async function current() {
  const registration = await navigator.serviceWorker.getRegistration(root);
  return registration ? registration.pushManager.getSubscription() : null;
}

async function isOn() {
  const kept = await (await caches.open(OURS)).match(note);
  if (!kept || Notification.permission !== "granted" || (await kept.json()).link !== link) return false;
  return (await current()) !== null;
}

async function turnOn() {
  if ((await Notification.requestPermission()) !== "granted") return tell("denied");
  await navigator.serviceWorker.register(new URL("worker.js", root), { scope: root.pathname });
  const registration = await navigator.serviceWorker.ready;
  const options = { userVisibleOnly: true, applicationServerKey: key };
  let subscription;
  try {
    subscription = await registration.pushManager.subscribe(options);
  } catch (error) {
    const old = await registration.pushManager.getSubscription(); // made for a key that we had before
    if (!old) throw error;
    await old.unsubscribe();
    subscription = await registration.pushManager.subscribe(options);
  }
  await post("browsers", { subscription });
  await (await caches.open(OURS)).put(note, new Response(JSON.stringify({ link, is_exercise, key })));
  offer(true);
  tell("on");
}

async function turnOff() {
  const subscription = await current();
  if (subscription) {
    await post("browsers/retire", { endpoint: subscription.endpoint });
    await subscription.unsubscribe();
  }
  await (await caches.open(OURS)).delete(note);
  offer(false);
  tell("off");
}

async function act(button, work) {
  button.disabled = true;
  tell("busy");
  try {
    await work();
  } catch (error) {
    const known = [...box.querySelectorAll("[data-when]")].some((line) => line.dataset.when === error.message);
    tell(known ? error.message : "failed");
  }
  button.disabled = false;
}

if (isSecureContext && "serviceWorker" in navigator && "PushManager" in window && "Notification" in window) {
  for (const button of box.querySelectorAll("[data-act]"))
    button.addEventListener("click", () => act(button, button.dataset.act === "on" ? turnOn : turnOff));
  offer(await isOn());
  box.hidden = false;
}
