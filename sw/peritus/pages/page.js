// SPDX-License-Identifier: Apache-2.0
// Draws the charts of the page: unpacks the slices of each timeline and hands everything to Bokeh.
"use strict";

const items = JSON.parse(document.getElementById("items").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)");

// Columns one behind the other: int32 lengths, uint16 instructions, uint8 causes (peritus.report.run_file).
async function unpack({ spans, data }) {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const raw = await new Response(stream).arrayBuffer();
  return {
    lengths: new Int32Array(raw, 0, spans),
    instructions: new Uint16Array(raw, 4 * spans, spans),
    causes: new Uint8Array(raw, 6 * spans, spans),
  };
}

function columns(chart, { lengths, instructions, causes }) {
  const found = chart.causes.map(() => ({
    left: [], right: [], what: [], layer: [], expert: [], cycles: [], cause: [],
  }));
  let start = 0;
  lengths.forEach((length, slice) => {
    const [what, expert] = chart.instructions[instructions[slice]] ?? ["", ""];
    const column = found[causes[slice]];
    column.left.push(start);
    start += length;
    column.right.push(start);
    column.what.push(what);
    column.layer.push(what.split(" ")[2]?.split(".").slice(0, 3).join(".") ?? "");
    column.expert.push(expert);
    column.cycles.push(length);
    column.cause.push(chart.words[causes[slice]]);
  });
  return found;
}

function paint(document_) {
  const text = dark.matches ? "#c9d1d9" : "#3a424b";
  const line = dark.matches ? "#3a424b" : "#dde2e7";
  for (const model of document_.all_models ?? document_._all_models.values()) {
    if ("axis_label_text_color" in model.properties) {
      model.axis_label_text_color = model.major_label_text_color = text;
      model.axis_line_color = model.major_tick_line_color = line;
    }
    if ("grid_line_color" in model.properties && model.grid_line_color !== null) model.grid_line_color = line;
    if ("label_text_color" in model.properties) {
      model.label_text_color = text;
      model.background_fill_color = dark.matches ? "#14181d" : "#ffffff";
    }
  }
}

async function draw() {
  for (const [name, chart] of Object.entries(items)) {
    await Bokeh.embed.embed_item(chart.item, name);
    const drawn = Bokeh.documents.at(-1);
    if (chart.spans) {
      const found = columns(chart, await unpack(chart.spans));
      chart.causes.forEach((cause, index) => {
        const source = drawn.get_model_by_name(`spans-${chart.number}-${cause}`);
        if (source) source.data = found[index];
      });
    }
    paint(drawn);
  }
  dark.addEventListener("change", () => Bokeh.documents.forEach(paint));
  document.documentElement.dataset.drawn = String(Object.keys(items).length);
}

draw().catch((error) => {
  console.error(error);
  document.documentElement.dataset.failed = String(error);
});
