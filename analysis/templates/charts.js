// Draws each figure of the page when it is near the window, for its width: the page has a wide and a narrow
// specification. Rows of data are in tables that figures, layers and layouts share, see packing.py.
const { figures, tables, configs } = JSON.parse(document.getElementById("data-of-charts").textContent);
const narrow = window.matchMedia("screen and (max-width: 780px)");
const fitting = () => (narrow.matches ? "narrow" : "wide");
const options = {
  renderer: "svg",
  actions: { export: { svg: true, png: true }, source: false, compiled: false, editor: false },
};
const views = new Map();
const specs = new Map();
const only = { model: "", network: "", depth: "", codec: "" };

// A row lacks a field that is -1 there.
function value(column, row) {
  return Array.isArray(column) ? column[row] : column.of[column.at ? column.at[row] : 0];
}

function unpackedRow({ columns }, row) {
  const fields = Object.entries(columns).filter(([, column]) => !(column.at?.[row] < 0));
  return Object.fromEntries(fields.map(([name, column]) => [name, value(column, row)]));
}

function unpackedRows(table) {
  return Array.from({ length: table.rows }, (_, row) => unpackedRow(table, row));
}

function unpacked(part) {
  const whole = { ...part };
  for (const kind of ["layer", "vconcat"]) if (whole[kind]) whole[kind] = whole[kind].map(unpacked);
  if (whole.data) whole.data = { values: unpackedRows(tables[whole.data.values]) };
  return whole;
}

async function draw(place, layout) {
  const name = place.dataset.chart;
  try {
    views.get(place)?.finalize();
    const spec = { ...unpacked(figures[name][layout]), config: configs[layout] };
    specs.set(place, spec);
    const { view } = await window.vegaEmbed(place, spec, { ...options, downloadFileName: name });
    place.dataset.drawn = layout;
    views.set(place, view);
    await narrowed(place, view);
    showsCards(place, view, card);
    place.style.minHeight = "";
  } catch (error) {
    place.textContent = `This figure could not be drawn (${error.message}); it is also in figures/${name}.svg.`;
    throw error;
  }
}

// About how high a figure will be, so that the page does not move while it is read.
function heightOf(spec) {
  if (spec.vconcat) return spec.vconcat.reduce((sum, part) => sum + heightOf(part), 0);
  const { height, layer } = spec;
  return 60 + (height.step ? height.step * layer[0].encoding.y.sort.length : height);
}

const places = [...document.querySelectorAll("[data-chart]")];
const waiting = new Set(places);
let drawing = Promise.resolve();
const nearby = new IntersectionObserver(
  (entries) => entries.forEach(({ isIntersecting, target }) => isIntersecting && drawNext(target)),
  { rootMargin: "600px" },
);

// One after the other, with a pause in which the browser shows what there is.
function drawNext(place) {
  nearby.unobserve(place);
  drawing = drawing.then(async () => {
    if (!waiting.delete(place)) return;
    // One that fails says so in its place, and must not keep the others from being drawn.
    await draw(place, fitting()).catch(reportError);
    await new Promise((done) => setTimeout(done));
    idle(drawRest);
  });
}

// Figures far away are drawn when there is nothing else to do: what is not drawn would be missing on paper.
const idle = window.requestIdleCallback ?? ((work) => setTimeout(work, 100));

function drawRest() {
  const [place] = waiting;
  if (place) drawNext(place);
  else drawing.then(() => (document.documentElement.dataset.charts = String(places.length)));
}

function reserve() {
  for (const place of waiting) place.style.minHeight = `${heightOf(figures[place.dataset.chart][fitting()])}px`;
}

function drawWaiting() {
  for (const place of waiting) draw(place, fitting());
  waiting.clear();
}

// What a figure can be narrowed to is a parameter of it; a model and a network are sections of the page too.
async function narrowed(place, view) {
  const known = Object.keys(view.getState({ signals: (name) => name.startsWith("only_") }).signals ?? {});
  const ofCells = rowsOf(specs.get(place)).filter((row) => row.cell);
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

const told = JSON.parse(document.getElementById("data-of-cells")?.textContent ?? '{ "rows": 0, "columns": {} }');
let rowsById;

// A cell's card; nothing without one.
function card(id) {
  rowsById ??= new Map(Array.from({ length: told.rows }, (_, row) => [value(told.columns.id, row), row]));
  if (!rowsById.has(id)) return null;
  const row = unpackedRow(told, rowsById.get(id));
  return {
    where: row.where,
    facts: row.labels.map((label, i) => [label, row[`fact ${i}`]]),
    parts: row.names.map((name, i) => [name, row[`ms ${i}`], row.colours[i]]),
  };
}

for (const select of document.querySelectorAll("[data-filter]")) {
  select.value = "";
  select.addEventListener("change", () => filter(select.dataset.filter, select.value));
}
narrow.addEventListener("change", () => {
  reserve();
  for (const place of views.keys()) draw(place, fitting());
});
window.addEventListener("beforeprint", drawWaiting);
reserve();
for (const place of places) nearby.observe(place);
idle(drawRest);
