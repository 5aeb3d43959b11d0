// A telephone's picture made smaller before it is sent: on a bad line the difference of minutes. One whose place is to be
// kept goes as the camera made it, since only the camera's file says the place. Without this script all go so.
const SIDE = 2048;
const form = document.getElementById("picture-form");
const input = document.getElementById("picture");
const keeps = form?.elements.keep_location;

async function smaller(file) {
  const drawn = await createImageBitmap(file, { imageOrientation: "from-image" });
  const scale = Math.min(1, SIDE / Math.max(drawn.width, drawn.height));
  const sheet = document.createElement("canvas");
  sheet.width = Math.round(drawn.width * scale);
  sheet.height = Math.round(drawn.height * scale);
  const pen = sheet.getContext("2d");
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, sheet.width, sheet.height);
  pen.drawImage(drawn, 0, 0, sheet.width, sheet.height);
  const made = await new Promise((done) => sheet.toBlob(done, "image/jpeg", 0.85));
  return made && made.size < file.size ? new File([made], "picture.jpg", { type: "image/jpeg" }) : file;
}

form?.addEventListener("submit", async (event) => {
  const [file] = input.files;
  if (!file || keeps.checked) return;
  event.preventDefault();
  const send = () => HTMLFormElement.prototype.submit.call(form);
  try {
    const held = new DataTransfer();
    held.items.add(await smaller(file));
    input.files = held.files;
  } catch {
    // no picture that this browser knows: the server says what is wrong with it
  }
  send();
});
