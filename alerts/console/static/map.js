// Replaces the drawn map by a movable one where the browser can (WebGL); otherwise the drawing stays.
const box = document.getElementById("map");
const WAIT_MS = 15_000;

function canDraw() {
  const canvas = document.createElement("canvas");
  return Boolean(canvas.getContext("webgl2"));
}

function styleOf(data, countries) {
  const hit = ["in", ["get", "code"], ["literal", data.hit]];
  return {
    version: 8,
    sources: {
      countries: { type: "geojson", data: countries },
      zones: { type: "geojson", data: data.zones },
      cells: { type: "geojson", data: data.cells },
      posts: { type: "geojson", data: data.posts },
    },
    layers: [
      { id: "sea", type: "background", paint: { "background-color": "#dde7ee" } },
      { id: "land", type: "fill", source: "countries", paint: { "fill-color": ["case", hit, "#ffe4a6", "#fbfaf6"] } },
      { id: "border", type: "line", source: "countries", paint: { "line-color": ["case", hit, "#7a4d00", "#8d99a3"], "line-width": ["case", hit, 1.6, 0.8] } },
      { id: "zone", type: "fill", source: "zones", paint: { "fill-color": "#a01217", "fill-opacity": 0.16 } },
      { id: "zone-edge", type: "line", source: "zones", paint: { "line-color": "#a01217", "line-width": 2, "line-dasharray": [3, 2] } },
      { id: "cells", type: "circle", source: "cells", paint: { "circle-radius": ["get", "radius"], "circle-color": "#0f3557", "circle-opacity": 0.78, "circle-stroke-color": "#fff", "circle-stroke-width": 1 } },
      { id: "posts", type: "circle", source: "posts", paint: { "circle-radius": 6, "circle-color": "#fff", "circle-stroke-color": "#14202b", "circle-stroke-width": 2 } },
    ],
  };
}

async function start() {
  const data = JSON.parse(box.dataset.map);
  const [library, answer] = await Promise.all([import(box.dataset.library), fetch(box.dataset.countries)]);
  library.setWorkerUrl(new URL(box.dataset.worker, location.href).href);
  const stage = document.createElement("div");
  stage.className = "stage";
  box.append(stage);
  const [west, south, east, north] = data.bounds;
  const map = new library.Map({
    container: stage,
    style: styleOf(data, await answer.json()),
    bounds: [[west, south], [east, north]],
    attributionControl: { compact: true, customAttribution: "Natural Earth" },
    dragRotate: false,
    pitchWithRotate: false,
  });
  map.touchZoomRotate.disableRotation();
  map.addControl(new library.NavigationControl({ showCompass: false }));
  await new Promise((done, fail) => {
    map.once("load", done);
    map.once("error", fail);
    setTimeout(fail, WAIT_MS);
  }).then(
    () => { box.querySelector(":scope > svg")?.remove(); box.dataset.ready = "map"; },
    () => { map.remove(); stage.remove(); box.dataset.ready = "drawing"; },
  );
}

if (box && canDraw()) start().catch(() => { box.dataset.ready = "drawing"; });
else if (box) box.dataset.ready = "drawing";
