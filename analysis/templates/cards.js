// Cards: where the time of a point's cells goes. A click shows one, or Enter on what the arrow keys chose.
const NEAR_PX = 12;
const MARKS = ".mark-symbol path, .mark-rect path";
const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
const opened = [];

function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

// A point of the capability front is of two cells: one for its latency, one for its throughput.
function cardsOf(datum, card) {
  const ids = new Set([datum?.latency_cell, datum?.cell]);
  return [...ids].map(card).filter(Boolean);
}

function marksOf(place, card) {
  const marks = [...place.querySelectorAll(MARKS)].filter((mark) => cardsOf(mark.__data__?.datum, card).length);
  const at = new Map(marks.map((mark) => [mark, mark.getBoundingClientRect()]));
  return marks.sort((a, b) => at.get(a).left - at.get(b).left || at.get(a).top - at.get(b).top);
}

function distance(mark, { clientX, clientY }) {
  const { left, top, width, height } = mark.getBoundingClientRect();
  return Math.hypot(left + width / 2 - clientX, top + height / 2 - clientY);
}

// The mark under the pointer, as its tooltip has it; a baseline has no card. What else lies there (the front's
// line, an interval, a label) is of another point or of several: then the nearest point counts.
function clicked(place, event, item, card) {
  if (item?.mark?.marktype === "symbol") return item.datum;
  if (item?.mark?.marktype === "rect" && cardsOf(item.datum, card).length) return item.datum;
  const points = marksOf(place, card).filter((mark) => mark.closest(".mark-symbol"));
  const nearest = points.sort((a, b) => distance(a, event) - distance(b, event))[0];
  return nearest && distance(nearest, event) <= NEAR_PX ? nearest.__data__.datum : null;
}

// Let a drawn figure show cards. `card` gives that of a cell's id, or nothing.
function showsCards(place, view, card) {
  const open = (datum, from) => {
    const cards = cardsOf(datum, card);
    if (cards.length) show(place, cards, from);
  };
  view.addEventListener("click", (event, item) => open(clicked(place, event, item, card)));
  if (!marksOf(place, card).length) return;
  place.tabIndex = 0;
  place.setAttribute("aria-label", "figure: arrow keys choose a point, Enter shows its card");
  place.onkeydown = (event) => {
    const mark = event.target.matches(MARKS) ? event.target : null;
    if (!mark && event.target !== place) return;
    if (event.key in STEPS) choose(marksOf(place, card), mark, STEPS[event.key]);
    else if (event.key === "Enter" && mark) open(mark.__data__.datum, mark);
    else return;
    event.preventDefault();
  };
}

function choose(marks, mark, step) {
  const start = step > 0 ? -1 : marks.length;
  const next = marks[(mark ? marks.indexOf(mark) : start) + step];
  if (!next) return;
  next.setAttribute("tabindex", "-1");
  next.focus();
}

// `from` is the mark that the keyboard was on, where it goes back to.
function show(place, cards, from) {
  const figure = place.closest("figure");
  figure.querySelector(".cell")?.remove();
  const panel = element("div", "", "cell");
  const button = element("button", "\u00d7", "close");
  button.setAttribute("aria-label", "close");
  const close = () => {
    panel.remove();
    if (from) (from.isConnected ? from : place).focus();
  };
  button.addEventListener("click", close);
  opened.push({ panel, close });
  const whole = cards.length > 1 ? ["Latency: one request alone", "Throughput: a full pipeline"] : [""];
  const parts = element("div", "", "of-cells");
  parts.append(...cards.map((cell, i) => cellPart(cell, whole[i])));
  panel.append(button, element("h4", cards[0].where), parts);
  place.after(panel);
  document.getElementById("vg-tooltip-element")?.classList.remove("visible");
  panel.scrollIntoView({ block: "nearest" });
  if (from) button.focus();
}

function cellPart(cell, title) {
  const part = element("div");
  if (title) part.append(element("p", title, "role"));
  const total = cell.parts.reduce((sum, [, ms]) => sum + ms, 0);
  const bar = element("div", "", "bar");
  const legend = element("ul", "", "parts");
  for (const [name, ms, colour] of cell.parts) {
    const piece = element("span");
    piece.style.width = `${(ms / total) * 100}%`;
    piece.style.background = colour;
    piece.title = `${name}: ${ms.toPrecision(3)} ms`;
    bar.append(piece);
    const entry = element("li", `${name} ${ms.toPrecision(3)} ms`);
    entry.style.setProperty("--colour", colour);
    legend.append(entry);
  }
  const facts = element("dl");
  for (const [name, value] of cell.facts) facts.append(element("dt", name), element("dd", value));
  part.append(element("p", `Mean latency ${total.toPrecision(3)} ms:`), bar, legend, facts);
  return part;
}

// The last one that is still there.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  while (opened.length) {
    const { panel, close } = opened.pop();
    if (panel.isConnected) return close();
  }
});
