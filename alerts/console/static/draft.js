// Keeps a half-filled report on this device until it was filed, so that a lost connection costs nothing.
const form = document.getElementById("report");
const filed = document.getElementById("filed");
const note = document.getElementById("draft-state");

if (filed) localStorage.removeItem(filed.dataset.draft);

function fields() {
  return [...new FormData(form)].filter(([name, value]) => name !== "form_key" && value !== "");
}

function restore(saved) {
  for (const [name, value] of saved) {
    const field = form.elements.namedItem(name);
    if (field && "value" in field && !field.value) field.value = value;
    field?.closest?.("details")?.setAttribute("open", "");
  }
}

if (form) {
  const key = form.dataset.draft;
  restore(JSON.parse(localStorage.getItem(key) || "[]"));
  form.addEventListener("input", () => localStorage.setItem(key, JSON.stringify(fields())));
  form.addEventListener("submit", (event) => {
    if (navigator.onLine) return;
    event.preventDefault();
    note.textContent = note.dataset.kept;
    note.hidden = false;
    note.scrollIntoView();
  });
}
