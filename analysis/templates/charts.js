// Draws every figure of the page, for its width: a wide and a narrow specification are in the page.
const specs = JSON.parse(document.getElementById("charts").textContent);
const narrow = window.matchMedia("screen and (max-width: 780px)");
const options = {
  renderer: "svg",
  actions: { export: { svg: true, png: true }, source: false, compiled: false, editor: false },
};

async function draw(place, layout) {
  const name = place.dataset.chart;
  try {
    const { view } = await window.vegaEmbed(place, specs[name][layout], { ...options, downloadFileName: name });
    const svg = place.querySelector("svg");
    // With a viewBox the figure shrinks where even the narrow one is too wide, and on paper.
    svg.setAttribute("viewBox", `0 0 ${svg.getAttribute("width")} ${svg.getAttribute("height")}`);
    place.dataset.drawn = layout;
    return view;
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

const fitting = () => (narrow.matches ? "narrow" : "wide");
narrow.addEventListener("change", () => drawAll(fitting()));
drawAll(fitting());
