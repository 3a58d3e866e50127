// SPDX-License-Identifier: Apache-2.0
// The page: a photo, three choices, and one job at a time whose state is asked for until it ends.
"use strict";

const POLL_MS = 500;
const at = (id) => document.getElementById(id);
let choices, photo, address, job;

async function ask(path, options) {
  const answer = await fetch(path, options);
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.error ?? `${answer.status}`);
  return value;
}

function say(text, failed = false) {
  at("status").textContent = text;
  at("status").classList.toggle("failed", failed);
}

function fill(select, names, label = (name) => name) {
  select.replaceChildren(...names.map((name) => new Option(label(name), name)));
}

function take(file) {
  if (!file) return;
  photo = file;
  if (address) URL.revokeObjectURL(address);
  address = URL.createObjectURL(file);
  at("preview").src = address;
  at("preview").hidden = false;
  at("hint").hidden = true;
  at("run").disabled = false;
  say("");
}

function busy(on) {
  at("run").disabled = on || !photo;
  at("cancel").hidden = !on;
}

function show(done) {
  at("image").src = address;
  at("map").src = `/jobs/${done.id}/map`;
  at("caption").textContent = `${done.task}, ${done.model} on ${done.device}`;
  at("link").href = at("report").src = `/jobs/${done.id}/report`;
  at("result").hidden = false;
}

function told(found) {
  if (found.state === "waiting") return `waiting; ${found.before} before it`;
  return `${found.step || found.state} (${found.seconds} s)`;
}

async function run(event) {
  event.preventDefault();
  busy(true);
  at("result").hidden = true;
  try {
    const query = new URLSearchParams({ model: at("model").value, task: at("task").value, device: at("device").value });
    say("sending the photo");
    job = await ask(`/jobs?${query}`, { method: "POST", body: photo });
    while (job.state === "waiting" || job.state === "running") {
      say(told(job));
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      job = await ask(`/jobs/${job.id}`);
    }
    if (job.state === "failed") throw new Error(job.step);
    show(job);
    say(`done in ${job.seconds} s`);
  } catch (error) {
    say(error.message, true);
  } finally {
    busy(false);
  }
}

async function start() {
  choices = await ask("/choices");
  at("hw").textContent = `on ${choices.hw}, on this machine`;
  fill(at("model"), Object.keys(choices.models));
  fill(at("device"), Object.keys(choices.devices), (name) => `${name}: ${choices.devices[name]}`);
  const tasks = () => fill(at("task"), choices.models[at("model").value]);
  at("model").addEventListener("change", tasks);
  tasks();
  at("photo").addEventListener("change", () => take(at("photo").files[0]));
  at("form").addEventListener("submit", run);
  at("cancel").addEventListener("click", () => job && ask(`/jobs/${job.id}`, { method: "DELETE" }).catch(() => {}));
  for (const name of ["dragover", "dragleave", "drop"])
    at("drop").addEventListener(name, (event) => {
      event.preventDefault();
      at("drop").classList.toggle("over", name === "dragover");
      if (name === "drop") take(event.dataTransfer.files[0]);
    });
}

start().catch((error) => say(error.message, true));
