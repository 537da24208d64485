"use strict";
(() => {
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const data = JSON.parse($("#report-data").textContent);
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}
function shape(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
const minus = (text) => text.replace("-", "\u2212");
const short = (value, digits = 3) => value === null || value === undefined ? "\u2013" : minus(String(+value.toPrecision(digits)));

/* Light and dark: stored nowhere, the system's choice comes back with the next opening. */
const dark = matchMedia("(prefers-color-scheme: dark)");
const theme = make("button", {type: "button", class: "theme", id: "theme"});
const isDark = () => (document.documentElement.dataset.theme || (dark.matches ? "dark" : "light")) === "dark";
const named = () => { theme.textContent = isDark() ? "Light" : "Dark"; theme.setAttribute("aria-label", `${theme.textContent} colors`); };
theme.addEventListener("click", () => { document.documentElement.dataset.theme = isDark() ? "light" : "dark"; named(); });
dark.addEventListener("change", named);
named();
$("header.top").prepend(theme);

/* Copying */
const spoken = make("p", {class: "unseen", "aria-live": "polite"});
document.body.append(spoken);
async function copy(text, button) {
  let done = true;
  try { await navigator.clipboard.writeText(text); }
  catch {
    const area = make("textarea", {class: "unseen", "aria-hidden": "true"});
    area.value = text;
    document.body.append(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
  }
  const before = button.textContent;
  button.textContent = done ? "copied" : "not copied";
  spoken.textContent = button.textContent;
  setTimeout(() => { button.textContent = before; }, 1200);
}
const copier = (name, what, text) =>
  make("button", {type: "button", class: "copy", "aria-label": what, on: {click: (event) => copy(text(), event.currentTarget)}}, name);
const plain = (element) => element.textContent.replaceAll("\u00a0", " ").trim();
for (const sentence of $$(".headline, dl.findings dd p")) {
  const text = plain(sentence);
  sentence.append(" ", copier("copy", "Copy this sentence", () => text));
}
for (const place of $$("[data-latex]")) {
  const latex = data.latex[place.dataset.latex];
  if (!latex) continue;
  const name = `Copy the table ${place.dataset.latex} as LaTeX`;
  place.append(make("span", { class: "copier" }, ", ", copier("copy LaTeX", name, () => latex)));
}
for (const place of $$("pre.citation")) place.after(copier("copy", "Copy the citation", () => place.textContent));

/* An arm and its dots and rows */
const marked = new Map();
for (const element of $$("[data-arm]")) {
  const arm = element.dataset.arm;
  if (!marked.has(arm)) marked.set(arm, []);
  marked.get(arm).push(element);
}
let current = null;
function link(arm) {
  if (arm === current) return;
  for (const element of marked.get(current) || []) element.classList.remove("linked");
  for (const element of marked.get(arm) || []) element.classList.add("linked");
  document.body.classList.toggle("linking", marked.has(arm));
  current = arm;
}
const armAt = (event) => event.target.closest?.("[data-arm]")?.dataset.arm ?? null;
document.addEventListener("pointerover", (event) => link(armAt(event)));
document.addEventListener("focusin", (event) => link(armAt(event)));

/* Tables: sort by a header, filter by words */
const numeric = (text) => {
  const number = parseFloat(text.replace(/\u2212/g, "-").replace(/^[<\s]+/, "").replace(/^above |^below /, ""));
  return Number.isNaN(number) ? null : number;
};
for (const box of $$(".scroll:not(.grid)")) {
  const table = $("table", box), body = $("tbody", table), rows = [...body.rows];
  if (rows.length < 2) continue;
  const headers = $$("thead th", table);
  headers.forEach((header, column) => {
    const button = make("button", {type: "button", class: "sort"});
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const falling = header.getAttribute("aria-sort") === "ascending";
      const isNumber = header.classList.contains("num");
      for (const other of headers) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const key = new Map(rows.map((row) => {
        const text = row.cells[column].textContent.trim();
        return [row, isNumber ? numeric(text) : text];
      }));
      const sorted = [...rows].sort((one, two) => {
        const a = key.get(one), b = key.get(two);
        if (a === null || b === null) return (a === null) - (b === null);
        const order = isNumber ? a - b : a.localeCompare(b, "en", {numeric: true});
        return falling ? -order : order;
      });
      body.append(...sorted);
    });
  });
  if (rows.length < 9) continue;
  const counter = make("output", {});
  const input = make("input", {type: "search", placeholder: "Filter rows", "aria-label": `Filter the rows of ${box.getAttribute("aria-label")}`});
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().trim();
    let shown = 0;
    for (const row of rows) {
      row.hidden = ![...row.cells].some((cell) => plain(cell).toLowerCase().includes(words));
      shown += !row.hidden;
    }
    counter.textContent = words ? `${shown} of ${rows.length} rows` : "";
  });
  box.before(make("div", {class: "filter"}, input, counter));
}

/* From a row to its cells, from a cell to its record */
const dialog = make("dialog", {class: "record", "aria-labelledby": "record-title"});
document.body.append(dialog);
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
function open(title, ...content) {
  dialog.replaceChildren(
    make("header", {}, make("h2", {id: "record-title"}, title),
      make("button", {type: "button", class: "close", "aria-label": "Close", on: {click: () => dialog.close()}}, "\u2715")),
    ...content.filter((part) => part !== null));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}
const cells = data.cells, hashes = cells.hashes.split(" ");
const cellAt = (n) => ({hash: hashes[n], arm: cells.arms[cells.arm[n]], seed: cells.seed[n], status: cells.statuses[cells.status[n]]});
function cellsOf(ranges) {
  return ranges.split(" ").filter(Boolean).flatMap((run) => {
    const [first, last] = run.split("-").map(Number);
    return Array.from({length: (last ?? first) - first + 1}, (_, i) => first + i);
  });
}
function showCells(title, numbers) {
  const names = cells.names, figures = cells.figures;
  const used = names.map((_, i) => i).filter((i) => numbers.some((n) => figures[i][n] !== null)).slice(0, 6);
  const head = make("tr", {}, ...["cell", "arm", "seed", "status", ...used.map((i) => names[i])].map((name) => make("th", {scope: "col"}, name)));
  const body = numbers.map((n) => {
    const {hash, arm, seed, status} = cellAt(n);
    const button = make("button", {type: "button", class: "hash", on: {click: () => showRecord(n, () => showCells(title, numbers))}}, hash);
    return make("tr", {}, make("th", {scope: "row"}, button), ...[arm, seed, status].map((v) => make("td", {}, String(v))),
      ...used.map((i) => make("td", {class: "num"}, short(figures[i][n]))));
  });
  open(title, make("p", {}, numbers.length === 1 ? "1 cell" : `${numbers.length} cells`),
    make("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": "Cells"},
      make("table", {}, make("thead", {}, head), make("tbody", {}, ...body))));
}
function spark(name, values) {
  const finite = values.filter((value) => value !== null);
  if (finite.length < 2) return null;
  const low = Math.min(...finite), high = Math.max(...finite), span = high - low || 1;
  const points = values.map((v, i) => v === null ? null : `${4 + 192 * i / (values.length - 1)},${44 - 40 * (v - low) / span}`).filter(Boolean);
  const svg = shape("svg", {viewBox: "0 0 200 48", role: "img", "aria-label": `${name} by epoch, from ${short(values[0])} to ${short(values.at(-1))}`},
    shape("polyline", {points: points.join(" "), fill: "none", stroke: "var(--vmp)", "stroke-width": "1.6"}));
  return make("figure", {}, svg, make("figcaption", {}, `${name}: ${short(finite[0])} to ${short(finite.at(-1))}`));
}
const facts = (pairs) => make("dl", {class: "facts"}, ...pairs.flatMap(([term, text]) => [make("dt", {}, term), make("dd", {}, text)]));
function showRecord(n, back = null) {
  const {hash, arm, seed, status} = cellAt(n), reason = cells.reasons[n], seconds = cells.seconds[n];
  const figures = cells.names.map((name, i) => [name, cells.figures[i][n]]).filter(([, value]) => value !== null).map(([name, value]) => [name, short(value, 4)]);
  const curves = Object.entries(cells.curves).map(([name, all]) => spark(name, all[n])).filter(Boolean);
  const path = `cells/${hash}.json`;
  const settings = Object.entries(cells.settings).map(([name, [values, places]]) => [name, values[places.length ? places[cells.arm[n]] : 0], places.length > 0]);
  const chosen = (isOwn) => facts(settings.filter(([, value, own]) => own === isOwn && value !== undefined).map(([name, value]) => [name, value]));
  open(`${arm}, seed ${seed}`,
    back && make("p", {}, make("button", {type: "button", class: "copy", on: {click: back}}, "\u2190 back")),
    make("p", {}, `${status}${reason ? ": " + reason : ""}${seconds === null ? "" : `, ${short(seconds)} s`}; record `,
      make("code", {}, path), " of the study folder ", copier("copy", "Copy the path of the record", () => path)),
    make("h3", {}, "Measured"), facts(figures.length ? figures : [["nothing", "was recorded"]]),
    curves.length ? make("div", {class: "sparks"}, ...curves) : null,
    make("h3", {}, "Settings of this arm"), chosen(true),
    make("details", {}, make("summary", {}, "Settings that all cells share"), chosen(false)));
}
document.addEventListener("click", (event) => {
  const anchor = event.target.closest?.("a[data-cells]");
  if (!anchor || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const numbers = cellsOf(anchor.dataset.cells);
  if (anchor.closest("#cells")) showRecord(numbers[0]);
  else showCells(plain(anchor), numbers);
});

/* Printing leaves nothing folded away */
let folded = [];
addEventListener("beforeprint", () => { folded = $$("details:not([open])"); for (const one of folded) one.open = true; });
addEventListener("afterprint", () => { for (const one of folded) one.open = false; });
function unfold() {
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let at = target; at; at = at.parentElement) if (at.localName === "details") at.open = true;
  if (target && target.matches("section")) for (const one of $$(":scope > details", target)) one.open = true;
}
addEventListener("hashchange", unfold);
unfold();

/* The published layer on test clips. Each frame is a list of pixels r, g, b in [0, 1]. */
const LUMA = [0.299, 0.587, 0.114];
function differences(frames) {
  return frames.slice(1).map((later, t) => {
    const earlier = frames[t], map = new Float64Array(later.length / 3);
    for (let i = 0, k = 0; i < map.length; i++, k += 3) {
      map[i] = LUMA[0] * (later[k] - earlier[k]) + LUMA[1] * (later[k + 1] - earlier[k + 1]) + LUMA[2] * (later[k + 2] - earlier[k + 2]);
    }
    return map;
  });
}
const sigmoid = (difference, slope, shift) => 1 / (1 + Math.exp(-slope * (difference - shift)));
const attention = (maps, slope, shift) => maps.map((map) => map.map((difference) => sigmoid(difference, slope, shift)));
function prompt(map, frame, mean, std) {
  return frame.map((pixel, k) => map[Math.floor(k / 3)] * (pixel - mean[k % 3]) / std[k % 3]);
}
function summary(maps) {
  let sum = 0, squares = 0, steps = 0, count = 0;
  maps.forEach((map, t) => map.forEach((value, i) => {
    sum += value;
    count += 1;
    if (t) steps += (value - maps[t - 1][i]) ** 2;
  }));
  const mean = sum / count;
  for (const map of maps) for (const value of map) squares += (value - mean) ** 2;
  return {mean, std: Math.sqrt(squares / count), variation: maps.length > 1 ? steps / (count - maps[0].length) : null};
}
globalThis.vmpLayer = {differences, attention, prompt, summary};

const lab = $(".lab");
if (lab && data.explorer) explore(lab, data.explorer);

async function explore(lab, {side, mean, std, clips, starts}) {
  const pictures = $$(".strips img");
  await Promise.all(pictures.map((picture) => picture.decode()));
  const loaded = pictures.map((picture, c) => {
    const width = clips[c].frames.length * side;
    const context = make("canvas", {width, height: side}).getContext("2d", {willReadFrequently: true});
    context.drawImage(picture, 0, 0);
    const frames = clips[c].frames.map((_, t) => {
      const bytes = context.getImageData(t * side, 0, side, side).data, frame = new Float64Array(side * side * 3);
      for (let i = 0, k = 0; i < bytes.length; i += 4) for (let j = 0; j < 3; j++) frame[k++] = bytes[i + j] / 255;
      return frame;
    });
    return {frames, maps: differences(frames)};
  });
  globalThis.vmpLayer.clips = loaded;

  const MAGMA = [[0, 0, 4], [24, 15, 61], [68, 15, 118], [114, 31, 129], [158, 47, 127], [205, 64, 113], [241, 96, 93], [253, 150, 104], [254, 202, 141], [252, 253, 191]];
  const mix = (low, high, part) => low.map((value, i) => value + (high[i] - value) * part);
  const heat = (value) => { const at = Math.min(Math.max(value, 0), 1) * 9, i = Math.min(Math.floor(at), 8); return mix(MAGMA[i], MAGMA[i + 1], at - i); };
  const HEAT = Array.from({length: 1024}, (_, i) => heat(i / 1023));
  const heated = (value) => HEAT[Math.round(1023 * value)];
  const cold = (value) => value < 0 ? mix([247, 247, 247], [11, 111, 184], Math.min(-value, 1)) : mix([247, 247, 247], [200, 80, 30], Math.min(value, 1));
  function paint(canvas, colour) {
    if (canvas.width !== side || canvas.height !== side) { canvas.width = side; canvas.height = side; }
    const context = canvas.getContext("2d"), image = context.createImageData(side, side);
    for (let i = 0; i < side * side; i++) {
      const [r, g, b] = colour(i);
      image.data[4 * i] = r; image.data[4 * i + 1] = g; image.data[4 * i + 2] = b; image.data[4 * i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  }
  const paintAttention = (canvas, map) => paint(canvas, (i) => heated(map[i]));
  const paintPrompt = (canvas, map, frame) => paint(canvas, (i) => [0, 1, 2].map((j) => 255 * (mean[j] + map[i] * (frame[3 * i + j] - mean[j]))));

  const part = (name) => $(`[data-part="${name}"]`, lab);
  const slope = part("slope"), shift = part("shift"), pair = part("pair"), start = part("start"), play = part("play");
  const groups = new Map();
  starts.forEach(([group, label], i) => {
    if (!groups.has(group)) { groups.set(group, make("optgroup", {label: group})); start.append(groups.get(group)); }
    groups.get(group).append(make("option", {value: String(i)}, label));
  });
  start.prepend(make("option", {value: ""}, "own values"));
  let clip = 0;
  const buttons = clips.map(({label}, c) => make("button", {type: "button", "aria-pressed": String(c === 0), on: {click: () => { clip = c; redraw(); }}}, label));
  part("clips").append(...buttons);

  const examples = [];
  for (const card of $$("[data-example]", lab)) {
    let found = starts.findIndex(([group]) => group === card.dataset.example);
    if (found < 0) {
      if (!examples.length) { card.remove(); continue; }
      found = starts.findIndex(([group, label]) => group === "Published" && label.includes("balance beam"));
      card.classList.remove("ill");
      card.classList.add("published");
      $("h4", card).firstChild.data = "Published: ";
    }
    const [, label, a, b] = starts[found];
    $("h4 span", card).textContent = label;
    examples.push({card, a, b, kind: ["ill", "published"].find((name) => card.classList.contains(name)) || "healthy"});
    card.addEventListener("click", () => { start.value = String(found); take(); });
  }
  if (!examples.length) $(".examples", lab).remove();

  function take() {
    if (start.value === "") return;
    const [, , a, b] = starts[Number(start.value)];
    slope.value = a; shift.value = b;
    state = {a, b};
    redraw();
  }
  let state = {a: starts[0][2], b: starts[0][3]};
  const show = (name, value, digits = 3) => { const output = part(name); output.textContent = short(value, digits); output.dataset.value = String(value); };

  const plot = part("plot"), X = (difference) => 40 + 320 * (difference + 0.8) / 1.6, Y = (value) => 190 - 170 * value;
  const lines = {};
  function frameOfPlot() {
    for (const value of [0, 0.5, 1]) plot.append(shape("line", {x1: X(-0.8), x2: X(0.8), y1: Y(value), y2: Y(value), stroke: "var(--grid)"}), shape("text", {x: 34, y: Y(value) + 4, "text-anchor": "end"}, String(value)));
    for (const value of [-0.8, -0.4, 0, 0.4, 0.8]) plot.append(shape("text", {x: X(value), y: 207, "text-anchor": "middle"}, minus(String(value))));
    plot.append(shape("line", {x1: X(0), x2: X(0), y1: Y(0), y2: Y(1), stroke: "var(--muted)", "stroke-dasharray": "2 3"}));
    plot.append(shape("text", {x: X(0), y: 224, "text-anchor": "middle"}, "grey difference D"), shape("text", {x: 40, y: 12}, "attention A"));
    plot.append(lines.counts = shape("path", {fill: "var(--muted)", opacity: "0.28"}));
    for (const {kind} of examples) plot.append(lines[kind] = shape("path", {fill: "none", "stroke-width": "1.6", "stroke-dasharray": kind === "healthy" ? "none" : "5 4", stroke: {ill: "var(--control)", published: "var(--baseline)", healthy: "var(--published)"}[kind]}));
    plot.append(lines.own = shape("path", {fill: "none", stroke: "var(--vmp)", "stroke-width": "3"}), lines.dot = shape("circle", {r: "4.5", fill: "var(--paper)", stroke: "var(--vmp)", "stroke-width": "2"}));
  }
  const curve = (a, b) => "M" + Array.from({length: 161}, (_, i) => { const d = -0.8 + i / 100; return `${X(d).toFixed(1)},${Y(sigmoid(d, a, b)).toFixed(1)}`; }).join("L");
  function counts(maps) {
    const bins = new Float64Array(80);
    for (const map of maps) for (const value of map) bins[Math.min(79, Math.max(0, Math.floor((value + 0.8) * 50)))]++;
    const most = Math.sqrt(Math.max(...bins));
    return Array.from(bins, (n, i) => n ? `M${X(-0.8 + i / 50).toFixed(1)},${Y(0)}v${(-60 * Math.sqrt(n) / most).toFixed(1)}h3.6V${Y(0)}z` : "").join("");
  }
  frameOfPlot();
  for (const {kind, a, b} of examples) lines[kind].setAttribute("d", curve(a, b));

  let waiting = false;
  function redraw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  }
  function draw() {
    const {frames, maps} = loaded[clip], {a, b} = state;
    pair.max = maps.length;
    const t = Math.min(Number(pair.value), maps.length) - 1, later = frames[t + 1];
    const all = attention(maps, a, b), figures = summary(all);
    buttons.forEach((button, c) => button.setAttribute("aria-pressed", String(c === clip)));
    paint(part("frame"), (i) => [0, 1, 2].map((j) => 255 * later[3 * i + j]));
    paint(part("difference"), (i) => cold(maps[t][i] / 0.4));
    paintAttention(part("attention"), all[t]);
    paintPrompt(part("prompt"), all[t], later);
    lines.counts.setAttribute("d", counts(maps));
    lines.own.setAttribute("d", curve(a, b));
    lines.dot.setAttribute("cx", X(Math.max(-0.8, Math.min(0.8, b))));
    lines.dot.setAttribute("cy", Y(0.5));
    show("slope-value", a); show("shift-value", b);
    show("rest", sigmoid(0, a, b)); show("mean", figures.mean); show("std", figures.std);
    if (figures.variation !== null) show("variation", figures.variation);
    const flat = figures.std <= 0.05 * figures.mean;
    part("state").textContent = flat ? "practically constant: collapsed" : "not constant";
    lab.classList.toggle("flat", flat);
    part("pair-value").textContent = `frames ${clips[clip].frames[t]} and ${clips[clip].frames[t + 1]}`;
    for (const {card, a, b} of examples) {
      const shown = attention(maps, a, b), numbers = summary(shown), [heatmap, prompted] = $$("canvas", card);
      paintAttention(heatmap, shown[t]);
      paintPrompt(prompted, shown[t], later);
      $("p", card).textContent = `a = ${short(a)}, b = ${short(b)}: mean A ${short(numbers.mean)}, SD ${short(numbers.std, 2)}` + (numbers.variation === null ? "" : `, V ${short(numbers.variation, 2)}`);
    }
  }
  for (const slider of [slope, shift]) slider.addEventListener("input", () => { start.value = ""; state = {a: Number(slope.value), b: Number(shift.value)}; redraw(); });
  pair.addEventListener("input", redraw);
  start.addEventListener("change", take);
  let timer = null;
  play.addEventListener("click", () => {
    if (timer === null) timer = setInterval(() => { pair.value = Number(pair.value) % Number(pair.max) + 1; redraw(); }, 160);
    else { clearInterval(timer); timer = null; }
    play.textContent = timer === null ? "Play" : "Stop";
  });
  part("save").addEventListener("click", () => {
    const shown = [["frame", part("frame")], ["difference D", part("difference")], ["attention A", part("attention")], ["motion prompt P", part("prompt")]];
    const size = 240, canvas = make("canvas", {width: 4 * (size + 12) + 12, height: size + 64}), context = canvas.getContext("2d");
    context.fillStyle = "#ffffff"; context.fillRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingEnabled = false; context.fillStyle = "#1d2129"; context.font = "15px system-ui, sans-serif";
    shown.forEach(([name, source], i) => { context.drawImage(source, 12 + i * (size + 12), 12, size, size); context.fillText(name, 12 + i * (size + 12), size + 32); });
    context.fillText(`Video Motion Prompts: a = ${short(state.a)}, b = ${short(state.b)}`, 12, size + 54);
    make("a", {href: canvas.toDataURL("image/png"), download: "motion-prompt.png"}).click();
  });
  lab.hidden = false;
  $(".strips").hidden = true;
  start.value = "0";
  pair.value = String(Math.ceil(loaded[0].maps.length / 2));
  take();
  draw();
  if (!calm && "IntersectionObserver" in globalThis) new IntersectionObserver((entries) => { if (timer !== null && !entries.some((e) => e.isIntersecting)) play.click(); }).observe(lab);
}
})();
