// The explorer: chooses among what `python -m app.static` worked out, and shows it. Data come as scripts, so that the
// page works from a disk too. What a model wrote is set as text, or as the HTML that benchmarks.reports.replies made of it.
"use strict";
const loaded = new Map(), waiting = new Map();
const byId = (id) => document.getElementById(id);

function tradeoff(name, content) {
  loaded.set(name, content);
  (waiting.get(name) || []).forEach((go) => go(content));
  waiting.delete(name);
}

function load(name) {
  if (loaded.has(name)) return Promise.resolve(loaded.get(name));
  return new Promise((go, fail) => {
    const first = !waiting.has(name);
    waiting.set(name, [...(waiting.get(name) || []), go]);
    if (!first) return;
    const script = document.createElement("script");
    script.src = `data/${name}.js`;
    script.onerror = () => fail(new Error(`data/${name}.js is missing`));
    document.head.append(script);
  });
}

function make(tag, text, parent) {
  const element = document.createElement(tag);
  if (text !== undefined && text !== null) element.textContent = text;
  if (parent) parent.append(element);
  return element;
}

function fillSelect(select, options) {
  select.replaceChildren(...options.map(([value, text]) => Object.assign(make("option", text), { value })));
}

function textOf(cell) {
  return String(cell && cell.html ? cell.text : cell);
}

function fillTable(place, head, rows) {
  const table = make("table"), body = make("tbody");
  const headRow = make("tr", null, make("thead", null, table));
  head.forEach((name) => make("th", name, headRow).scope = "col");
  rows.forEach((row) => {
    const line = make("tr", null, body);
    row.forEach((cell) => {
      const place = make("td", cell === null ? "–" : textOf(cell), line);
      if (cell && cell.html) Object.assign(place, { innerHTML: cell.html, className: "reply" });
    });
  });
  table.append(body);
  place.replaceChildren(table);
}

function checked(name) {
  return [...document.querySelectorAll(`input[name="${name}"]:checked`)].map((box) => box.value);
}

function fillChecks(fieldset, name, values, changed) {
  values.forEach((value) => {
    const label = make("label", null, fieldset), box = make("input", null, label);
    Object.assign(box, { type: "checkbox", name, value, checked: true });
    box.addEventListener("change", changed);
    label.append(value);
  });
}

function showPlot(place, spec) {
  place.setAttribute("aria-label", spec.description || "");
  place.setAttribute("role", "img");
  return drawChart(place, spec);
}

function kept(model, index) {
  const facts = index.models[model] || {};
  return Object.keys(index.filters).every((name) => checked(name).includes(facts[name]));
}

function onlyKept(spec, index) {
  const copy = structuredClone(spec);
  for (const [name, rows] of Object.entries(copy.datasets))
    copy.datasets[name] = rows.filter((row) => kept(row.model, index));
  return copy;
}

async function showOverview(index) {
  const part = await load(byId("prompts").value), spec = part.charts[byId("axis").value];
  const rows = part.rows.filter((row) => kept(row[0], index)).map((row) => row.slice(1));
  fillTable(byId("figures"), part.head.slice(1), rows);
  if (spec) await showPlot(byId("plot"), onlyKept(spec, index));
  else byId("plot").textContent = "No chart: no model has both figures for these prompts.";
}

async function showPair() {
  const pair = await load(byId("pair").value), found = pair[byId("pair_suite").value];
  byId("sentence").textContent = found.sentence;
  fillTable(byId("facts"), ["", ""], found.facts);
  fillTable(byId("flips"), found.flips.head, found.flips.rows);
}

async function showSamples() {
  const table = await load(byId("samples_of").value), wanted = byId("find").value.toLowerCase();
  const results = checked("result"), place = table.head.indexOf("result");
  const rows = table.rows.filter((row) => results.includes(row[place]) &&
    (!wanted || row.some((cell) => textOf(cell).toLowerCase().includes(wanted))));
  byId("count").textContent = `${rows.length} of ${table.rows.length} answers`;
  fillTable(byId("samples"), table.head, rows);
  byId("method").textContent = JSON.stringify(table.method, null, 2);
}

function begin(index) {
  const overview = () => showOverview(index);
  fillSelect(byId("axis"), index.axes);
  fillSelect(byId("prompts"), index.prompts);
  for (const [name, values] of Object.entries(index.filters)) fillChecks(byId(`filter_${name}`), name, values, overview);
  ["axis", "prompts"].forEach((id) => byId(id).addEventListener("change", overview));
  fillSelect(byId("samples_of"), index.samples);
  fillChecks(byId("results"), "result", index.results, showSamples);
  byId("samples_of").addEventListener("change", showSamples);
  byId("find").addEventListener("input", showSamples);
  if (index.pairs.length) {
    fillSelect(byId("pair"), index.pairs);
    const suites = async () => fillSelect(byId("pair_suite"), Object.keys(await load(byId("pair").value)).map((it) => [it, it]));
    byId("pair").addEventListener("change", () => suites().then(showPair));
    byId("pair_suite").addEventListener("change", showPair);
    suites().then(showPair);
  } else byId("sentence").textContent = "A verdict needs two models with graded answers.";
  overview();
  if (index.samples.length) showSamples();
  document.querySelectorAll("figure > script").forEach((script) =>
    drawChart(script.parentElement.querySelector("div"), JSON.parse(script.textContent)));
}

addEventListener("DOMContentLoaded", () => load("index").then(begin));
