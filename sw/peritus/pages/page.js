// SPDX-License-Identifier: Apache-2.0
// Draws the charts of the page: unpacks the slices of each timeline and hands to Bokeh what can be seen of them.
"use strict";

const items = JSON.parse(document.getElementById("items").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const WIDTH = 1000; // pixels, where a chart does not say its own

// Columns one behind the other: int32 lengths, uint16 instructions, uint8 causes (peritus.report.run_parts).
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

// The slices of each cause: first and last cycle, instruction; in the order of the frame.
function byCause(count, { lengths, instructions, causes }) {
  const sizes = new Int32Array(count);
  for (const cause of causes) sizes[cause] += 1;
  const found = [...sizes].map((size) => ({
    left: new Int32Array(size), right: new Int32Array(size), instruction: new Uint16Array(size),
  }));
  const next = new Int32Array(count);
  let start = 0;
  for (let slice = 0; slice < causes.length; slice += 1) {
    const cause = causes[slice];
    const place = next[cause]++;
    found[cause].left[place] = start;
    start += lengths[slice];
    found[cause].right[place] = start;
    found[cause].instruction[place] = instructions[slice];
  }
  return found;
}

// Of the slices of a cause those between two cycles; what lies closer than a pixel is one, and says of how many.
function visible({ left, right, instruction }, first, last, pixel) {
  let low = 0;
  let high = left.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (right[middle] > first) high = middle;
    else low = middle + 1;
  }
  const seen = { left: [], right: [], cycles: [], slices: [], instruction: [] };
  let at = -1;
  for (let slice = low; slice < left.length && left[slice] < last; slice += 1) {
    const length = right[slice] - left[slice];
    if (at >= 0 && left[slice] - seen.right[at] < pixel && length < pixel) {
      seen.right[at] = right[slice];
      seen.cycles[at] += length;
      seen.slices[at] += 1;
    } else {
      at = seen.left.push(left[slice]) - 1;
      seen.right.push(right[slice]);
      seen.cycles.push(length);
      seen.slices.push(1);
      seen.instruction.push(instruction[slice]);
    }
  }
  return seen;
}

// What a pointer over a slice is told.
function told(chart, cause, seen) {
  const named = seen.instruction.map((index) => chart.instructions[index] ?? ["", "", ""]);
  return {
    ...seen,
    what: named.map(([what]) => what),
    expert: named.map(([, expert]) => expert),
    layer: named.map(([, , layer]) => layer),
    cause: seen.left.map(() => chart.words[cause]),
  };
}

async function follow(chart, drawn) {
  const figure = drawn.get_model_by_name(`timeline-${chart.number}`);
  const slices = byCause(chart.causes.length, await unpack(chart.spans));
  const sources = chart.causes.map((cause) => drawn.get_model_by_name(`spans-${chart.number}-${cause}`));
  const show = () => {
    const { start, end } = figure.x_range;
    const pixel = (end - start) / (figure.inner_width || WIDTH);
    sources.forEach((source, cause) => {
      if (source) source.data = told(chart, cause, visible(slices[cause], start, end, pixel));
    });
  };
  let asked = false;
  figure.x_range.change.connect(() => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      show();
    });
  });
  show();
}

function paint(drawn) {
  const text = dark.matches ? "#c9d1d9" : "#3a424b";
  const line = dark.matches ? "#3a424b" : "#dde2e7";
  for (const model of drawn._all_models.values()) {
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
    if (chart.spans) await follow(chart, drawn);
    paint(drawn);
  }
  dark.addEventListener("change", () => Bokeh.documents.forEach(paint));
  document.documentElement.dataset.drawn = String(Object.keys(items).length);
}

draw().catch((error) => {
  console.error(error);
  document.documentElement.dataset.failed = String(error);
});
