// Draws every figure of the page, for its width: a wide and a narrow specification are in the page.
const specs = JSON.parse(document.getElementById("charts").textContent);
const cells = JSON.parse(document.getElementById("cells")?.textContent ?? "{}");
const card = (id) => cells[id];
const narrow = window.matchMedia("screen and (max-width: 780px)");
const options = {
  renderer: "svg",
  actions: { export: { svg: true, png: true }, source: false, compiled: false, editor: false },
};
const views = new Map();
const only = { model: "", network: "", depth: "", codec: "" };

async function draw(place, layout) {
  const name = place.dataset.chart;
  try {
    views.get(place)?.finalize();
    const { view } = await window.vegaEmbed(place, specs[name][layout], { ...options, downloadFileName: name });
    place.dataset.drawn = layout;
    views.set(place, view);
    await narrowed(place, view);
    showsCards(place, view, card);
  } catch (error) {
    place.textContent = `This figure could not be drawn (${error.message}); it is also in figures/${name}.svg.`;
    throw error;
  }
}

async function drawAll(layout) {
  const places = [...document.querySelectorAll("[data-chart]")];
  await Promise.all(places.map((place) => draw(place, layout)));
  document.documentElement.dataset.charts = String(places.length);
}

// What a figure can be narrowed to is a parameter of it; a model and a network are sections of the page too.
async function narrowed(place, view) {
  const known = Object.keys(view.getState({ signals: (name) => name.startsWith("only_") }).signals ?? {});
  const ofCells = rowsOf(specs[place.dataset.chart][place.dataset.drawn]).filter((row) => row.cell);
  const emptied = ofCells.length > 0 && !ofCells.some((row) => left(row, known));
  place.classList.toggle("emptied", emptied);
  // A scale of nothing is an error.
  if (emptied) return;
  for (const name of known) view.signal(name, only[name.slice(5)] || "all");
  await view.runAsync();
  const svg = place.querySelector("svg");
  // With a viewBox the figure shrinks where even the narrow one is too wide, and on paper.
  svg.setAttribute("viewBox", `0 0 ${svg.getAttribute("width")} ${svg.getAttribute("height")}`);
  // On a phone a small figure does not grow until its text is larger than the page's.
  const most = Math.min(430, 1.25 * svg.getAttribute("width"));
  svg.style.maxWidth = place.dataset.drawn === "narrow" ? `${most}px` : "";
}

function rowsOf(part) {
  const parts = [...(part.layer ?? []), ...(part.vconcat ?? [])];
  return [...(part.data?.values ?? []), ...parts.flatMap(rowsOf)];
}

// As the figure's own filters have it.
function left(row, known) {
  return known.every((name) => {
    const field = name.slice(5);
    if (!(field in row)) return true;
    return only[field] ? row[field] === "" || String(row[field]) === only[field] : row[`${field}_all`] !== false;
  });
}

function filter(name, value) {
  only[name] = value;
  for (const element of document.querySelectorAll("[data-model], [data-network]")) {
    const { model, network } = element.dataset;
    element.hidden = (model && only.model && model !== only.model) || (network && only.network && network !== only.network);
  }
  for (const [place, view] of views) narrowed(place, view);
}

for (const select of document.querySelectorAll("[data-filter]")) {
  select.value = "";
  select.addEventListener("change", () => filter(select.dataset.filter, select.value));
}
const fitting = () => (narrow.matches ? "narrow" : "wide");
narrow.addEventListener("change", () => drawAll(fitting()));
drawAll(fitting());
