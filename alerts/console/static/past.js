// The slider shows the page of its minute when it is let go; without this script the button does.
const form = document.querySelector("form[data-slide]");
const slider = form?.elements.namedItem("minute");
slider?.addEventListener("change", () => form.requestSubmit());
