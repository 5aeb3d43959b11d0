// Counts a hold down on the page. The server's clock decides; without this script the page shows the time itself.
const hold = document.getElementById("hold");

if (hold) {
  const ends = performance.now() + Number(hold.dataset.left) * 1000;
  const show = () => {
    const left = Math.max(0, Math.ceil((ends - performance.now()) / 1000));
    hold.textContent = left ? `${hold.dataset.words} ${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}` : hold.dataset.over;
    if (left) return setTimeout(show, 500);
    return setTimeout(() => location.reload(), 3000);
  };
  show();
}
