// What makes a page answer: charts tell their numbers, legends hide lines, films play, light turns dark.
"use strict";

const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** A chart tells the row of its table that belongs to the stop nearest to the pointer, or that the arrow keys chose. */
function liven(chart) {
  const svg = chart.querySelector("svg");
  const tip = chart.querySelector(".tip");
  const cross = chart.querySelector(".cross");
  const table = chart.querySelector("table");
  const along = chart.dataset.along;
  const stops = chart.dataset.stops.split(" ").map(Number);
  const hidden = new Set();
  let current = -1;

  const hide = () => {
    current = -1;
    tip.hidden = true;
    chart.classList.remove("telling");
  };

  /** Lines of "head: cell", without those of hidden lines and without empty cells. */
  const told = (row) => {
    const heads = [...table.rows[0].cells].map((cell) => cell.textContent);
    const cells = [...row.cells].map((cell) => cell.textContent);
    const known = heads.map((head, index) => [head, cells[index], index - 1]).slice(1);
    const shown = known.filter(([, cell, series]) => cell && !(along === "x" && hidden.has(series)));
    const first = along === "x" ? `${cells[0]} ${heads[0]}` : cells[0];
    return [first, ...shown.map(([head, cell]) => `${head}: ${cell}`)];
  };

  const tell = (index) => {
    const box = svg.viewBox.baseVal;
    const size = svg.getBoundingClientRect();
    current = clamp(index, 0, stops.length - 1);
    tip.replaceChildren(
      ...told(table.rows[current + 1]).map((text) => Object.assign(document.createElement("div"), { textContent: text })),
    );
    cross.setAttribute("transform", along === "x" ? `translate(${stops[current]} 0)` : `translate(0 ${stops[current]})`);
    chart.classList.add("telling");
    tip.hidden = false;
    const beside = along === "x" && tip.offsetWidth < size.width / 2;
    const place = (stops[current] / box.width) * size.width;
    const left = place > size.width / 2 ? place - tip.offsetWidth - 10 : place + 10;
    tip.style.left = beside ? `${left}px` : "0px";
    tip.style.top = beside ? "10px" : `${size.height + 4}px`;
  };

  const nearest = (event) => {
    const box = svg.viewBox.baseVal;
    const size = svg.getBoundingClientRect();
    const at = along === "x"
      ? ((event.clientX - size.left) / size.width) * box.width
      : ((event.clientY - size.top) / size.height) * box.height;
    const distances = stops.map((stop) => Math.abs(stop - at));
    return distances.indexOf(Math.min(...distances));
  };

  const steps = {
    ArrowRight: () => current + 1,
    ArrowDown: () => current + 1,
    ArrowLeft: () => (current < 0 ? stops.length - 1 : current - 1),
    ArrowUp: () => (current < 0 ? stops.length - 1 : current - 1),
    Home: () => 0,
    End: () => stops.length - 1,
  };

  svg.addEventListener("pointermove", (event) => tell(nearest(event)));
  svg.addEventListener("pointerdown", (event) => tell(nearest(event)));
  svg.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && hide());
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
    if (!(event.key in steps)) return;
    event.preventDefault();
    tell(steps[event.key]());
  });

  for (const button of all(".legend button", chart)) {
    button.addEventListener("click", () => {
      const series = Number(button.dataset.series);
      const shown = hidden.delete(series) || !hidden.add(series);
      button.setAttribute("aria-pressed", String(shown));
      chart.querySelector(`g[data-series="${series}"]`).style.display = shown ? "" : "none";
      if (current >= 0) tell(current);
    });
  }
}

/** A film shows one of its frames: a part of a sheet of pictures, or dots at their places on a map. */
function project(film) {
  const play = film.querySelector("button");
  const slider = film.querySelector("input");
  const screen = film.querySelector(".screen");
  const dots = all("[data-path]", film).map((dot) => [dot, dot.dataset.path.split(" ").map((each) => each.split(","))]);
  const frames = Number(slider.max) + 1;
  const columns = Number(film.dataset.columns);
  const sheetRows = Math.ceil(frames / columns);
  let timer = null;

  const show = () => {
    const frame = Number(slider.value);
    slider.setAttribute("aria-valuetext", `frame ${frame + 1} of ${frames}`);
    if (screen) {
      const share = (at, count) => (count > 1 ? (100 * at) / (count - 1) : 0);
      screen.style.backgroundPosition =
        `${share(frame % columns, columns)}% ${share(Math.floor(frame / columns), sheetRows)}%`;
    }
    for (const [dot, path] of dots) {
      const [x, y] = path[Math.min(frame, path.length - 1)];
      dot.setAttribute("cx", x);
      dot.setAttribute("cy", y);
    }
  };

  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  };

  play.addEventListener("click", () => {
    if (timer !== null) return stop();
    play.textContent = "Pause";
    timer = setInterval(() => {
      slider.value = (Number(slider.value) + 1) % frames;
      show();
    }, Number(film.dataset.pause));
  });
  slider.addEventListener("input", () => {
    stop();
    show();
  });
}

/** The switch between light and dark begins with what the reader's system prefers. */
function turn(button) {
  const root = document.documentElement;
  let dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const name = () => (button.textContent = dark ? "Light" : "Dark");
  button.hidden = false;
  button.addEventListener("click", () => {
    dark = !dark;
    root.style.colorScheme = dark ? "dark" : "light";
    name();
  });
  name();
}

all(".chart").forEach(liven);
all(".film").forEach(project);
all("#light").forEach(turn);
