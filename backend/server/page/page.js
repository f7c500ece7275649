// SPDX-License-Identifier: GPL-3.0-or-later
// The form is drawn from the tasks that the server describes; it names none of them.

import * as client from "/page/client.js";
import { Viewer } from "/page/viewer.js";

const find = id => document.getElementById(id);
const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};
const viewer = new Viewer(find("viewer"));
let tasks = [], task = null, files = new Map(), job = null, shown = null;

function complain(error) { find("error").textContent = error ? error.message || String(error) : ""; }

async function begin() {
  client.takeTokenFromAddress();
  try {
    const server = await client.get("/v1/server");
    find("device").textContent = `${server.device}, ${server.waiting} jobs waiting`;
    tasks = await client.get("/v1/tasks");
  } catch (error) {
    if (error.status !== 401) return complain(error);
    find("sign-in").showModal();
    return;
  }
  const select = find("task");
  select.replaceChildren(...tasks.map((each, index) => make("option", { value: index,
    textContent: `${each.label} (${each.pipeline_label})` })));
  select.value = Math.max(tasks.findIndex(each => each.delivery === "parts"), 0);
  drawTask();
  drawHistory();
}

function drawTask() {
  task = tasks[find("task").value];
  files = new Map();
  find("description").textContent = task.description;
  find("inputs").replaceChildren(...task.inputs.map(drawInput));
  find("weights").replaceChildren(...task.weights.map(each => make("option", { value: each.name,
    textContent: each.label + (each.installed ? "" : " (not installed)"), disabled: !each.installed })));
  find("weights").value = (task.weights.find(each => each.installed) || { name: "" }).name;
  find("weights").parentElement.hidden = !task.weights.length;
  find("preset").replaceChildren(make("option", { value: "", textContent: "None" }), ...task.presets.map(each =>
    make("option", { value: each.name, textContent: each.label, title: each.description })));
  find("preset-row").hidden = !task.presets.length;
  find("seed-row").hidden = !task.seeded;
  find("seed").max = task.largest_seed;
  drawOptions();
  complain("");
}

function drawInput(input) {
  const picture = make("img", { hidden: true, alt: "" });
  const words = make("span", { textContent: `${input.label}${input.required ? "" : " (optional)"}: choose, drop or paste` });
  const chooser = make("input", { type: "file", accept: input.kind === "image" ? "image/*" : ".glb,.gltf,.obj,.ply,.stl",
    multiple: input.most === null });
  const take = chosen => {
    if (!chosen.length) return;
    files.set(input.name, [...chosen]);
    words.textContent = `${input.label}: ${[...chosen].map(each => each.name).join(", ")}`;
    if (input.kind === "image") {
      picture.src = URL.createObjectURL(chosen[0]);
      picture.hidden = false;
    }
  };
  const area = make("label", { className: "drop", title: input.description }, words, picture, chooser);
  area.dataset.input = input.name;
  area.take = take;
  chooser.onchange = () => take(chooser.files);
  area.ondragover = event => { event.preventDefault(); area.classList.add("over"); };
  area.ondragleave = () => area.classList.remove("over");
  area.ondrop = event => { event.preventDefault(); area.classList.remove("over"); take(event.dataTransfer.files); };
  return area;
}

function drawOptions() {
  const weights = task.weights.find(each => each.name === find("weights").value);
  const preset = task.presets.find(each => each.name === find("preset").value);
  const values = { ...(weights ? weights.defaults : {}), ...(preset ? preset.values : {}) };
  const plain = [], advanced = [];
  for (const [name, schema] of Object.entries(task.options.properties)) {
    if (schema.readOnly) continue;
    (schema["x-advanced"] ? advanced : plain).push(drawOption(name, schema, values[name] ?? schema.default));
  }
  find("options").replaceChildren(...plain);
  find("advanced-options").replaceChildren(...advanced);
  find("advanced").hidden = !advanced.length;
}

function drawOption(name, schema, value) {
  let field;
  if (schema.oneOf) {
    field = make("select", {}, ...schema.oneOf.map(each => make("option", { value: each.const, textContent: each.title })));
    field.value = value;
  } else if (schema.type === "boolean") {
    field = make("input", { type: "checkbox", checked: value });
  } else if (schema.type === "string") {
    field = schema["x-multiline"] ? make("textarea", { value }) : make("input", { type: "text", value });
  } else {
    field = make("input", { type: "number", value, min: schema.minimum ?? "", max: schema.maximum ?? "",
      step: schema.type === "integer" ? 1 : "any" });
  }
  field.dataset.option = name;
  return make("label", { className: "field", title: schema.description }, make("span", { textContent: schema.title }), field);
}

function parameters() {
  const values = {};
  for (const field of document.querySelectorAll("[data-option]")) {
    const schema = task.options.properties[field.dataset.option];
    values[field.dataset.option] = schema.type === "boolean" ? field.checked :
      schema.type === "string" ? field.value : Number(field.value);
  }
  return values;
}

function named() {
  const result = [];
  for (const [slot, chosen] of files) chosen.forEach((blob, index) => {
    const suffix = (blob.name.match(/\.[A-Za-z0-9]+$/) || [".png"])[0].toLowerCase();
    const stem = blob.name.slice(0, -suffix.length).replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^[-_]+/, "").slice(0, 60);
    result.push([slot, `${stem || slot}-${slot}-${index + 1}${suffix}`, blob]);
  });
  return result;
}

async function run(event) {
  event.preventDefault();
  complain("");
  if (task.seeded && find("random").checked) find("seed").value = Math.floor(Math.random() * task.largest_seed);
  find("run").disabled = true;
  try {
    job = await client.submit({ pipeline: task.pipeline, task: task.task, weights: find("weights").value,
      seed: task.seeded ? Number(find("seed").value) : 0, parameters: parameters(),
      subject: [...files.values()].flat()[0]?.name.replace(/\.\w+$/, "") ?? "" }, named());
    find("progress").hidden = false;
    const end = await client.follow(job, showEvent);
    if (end.event === "done") await showResult(job);
    if (end.event === "failed") complain([end.error.what, end.error.why, end.error.advice].join(" "));
  } catch (error) {
    complain(error);
  } finally {
    find("run").disabled = false;
    find("progress").hidden = true;
    find("preview").hidden = true;
    drawHistory();
  }
}

async function showEvent(event) {
  if (event.event === "queued") find("stage-label").textContent = event.ahead ? `Waiting, ${event.ahead} jobs first` : "Waiting";
  if (event.event === "loading") find("stage-label").textContent = `Loading ${event.what}`;
  if (event.event === "stage") {
    const stage = task.stages.find(each => each.name === event.stage);
    const left = event.seconds_left ? `, ${Math.ceil(event.seconds_left)} s left` : "";
    find("stage-label").textContent = `${stage ? stage.label : event.stage} ${event.step}/${event.of}${left}`;
    find("bar").value = event.fraction;
  }
  if (event.event === "preview" && /\.(png|jpg|webp)$/.test(event.file)) {
    try {
      find("preview").src = URL.createObjectURL(await client.file(`/v1/jobs/${event.job}/files/${event.file}`));
      find("preview").hidden = false;
    } catch { /* the next preview has taken its place */ }
  }
}

async function showResult(name) {
  const result = await client.get(`/v1/jobs/${name}/result`);
  shown = name;
  const texts = [];
  for (const artifact of result.artifacts) {
    if (artifact.kind === "text") texts.push(await (await client.file(`/v1/jobs/${name}/files/${artifact.file}`)).text());
  }
  find("notes").textContent = [...texts, ...result.notes].join(" ");
  find("result").hidden = false;
  find("download").hidden = !result.glb;
  find("parts").replaceChildren();
  if (!result.glb) return;
  const names = await viewer.show(await client.bytes(`/v1/jobs/${name}/result.glb`));
  find("explode").value = 0;
  find("parts").replaceChildren(...names.map((part, index) => {
    const box = make("input", { type: "checkbox", checked: true, onchange: () => viewer.setVisible(index, box.checked) });
    return make("li", {}, make("label", { className: "check" }, box, part));
  }));
}

async function drawHistory() {
  const { jobs } = await client.get("/v1/jobs?limit=12");
  find("history").replaceChildren(...jobs.map(each => make("li", {}, make("button", { type: "button",
    textContent: `${each.subject}: ${each.state}`, disabled: each.state !== "done",
    onclick: () => showResult(each.id).catch(complain) }))));
}

find("task").onchange = drawTask;
find("weights").onchange = drawOptions;
find("preset").onchange = drawOptions;
find("form").onsubmit = run;
find("cancel").onclick = () => client.cancel(job).catch(complain);
find("explode").oninput = event => viewer.explode(Number(event.target.value));
find("download").onclick = async () => {
  const link = make("a", { href: URL.createObjectURL(await client.file(`/v1/jobs/${shown}/result.glb`)),
    download: `${shown}.glb` });
  link.click();
};
find("sign-in").onclose = () => { client.setToken(find("token").value); begin(); };
document.onpaste = event => {
  const area = document.querySelector(".drop");
  const pasted = [...event.clipboardData.files].filter(each => each.type.startsWith("image/"));
  if (area && pasted.length) area.take(pasted);
};
begin();
