// The page: sends drawings to the server, shows what it answers. Sections:
//   server, colours, drawing pad, prediction, layers, training.
"use strict";

const PAD = 256; // pixels of the drawing pad, independent of its size on the screen
const STEPS = 5; // of training between two redrawings
const $ = (id) => document.getElementById(id);

let state; // Session.state()
let seen; // Session.look() of the present drawing

// ------------------------------------------------------------------------------------------ server

async function ask(name, body) {
  const options = body && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  try {
    const response = await fetch(`api/${name}`, options);
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
    $("error").textContent = "";
    return answer;
  } catch (error) {
    const gone = error instanceof TypeError; // no connection
    $("error").textContent = gone ? "The server has stopped: start fastconv play again." : error.message;
    throw error;
  }
}

const fromBase64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const toBase64 = (bytes) => btoa(String.fromCharCode(...bytes));

// ----------------------------------------------------------------------------------------- colours

// Both grow lighter evenly, so that they are readable in grey; grey is the middle of SIGNED.
const POSITIVE = ramp("440154 472d7b 3b528b 2c728e 21918c 28ae80 5ec962 addc30 fde725");
const SIGNED = ramp("00224e 123570 3b496c 575d6d 7d7c78 8a8678 a59c74 c3b369 fee838");
const GREY = ramp("000000 ffffff");

function ramp(stops) {
  const colours = stops.split(" ").map((hex) => parseInt(hex, 16));
  return Array.from({ length: 256 }, (_, value) => {
    const place = (value / 255) * (colours.length - 1);
    const first = Math.min(Math.floor(place), colours.length - 2);
    return [16, 8, 0].map((shift) => {
      const [a, b] = [colours[first], colours[first + 1]].map((c) => (c >> shift) & 255);
      return a + (b - a) * (place - first);
    });
  });
}

function paint(canvas, bytes, height, width, colours) {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  bytes.forEach((value, index) => image.data.set([...colours[value], 255], 4 * index));
  canvas.getContext("2d").putImageData(image, 0, 0);
}

const coloursOf = (packed) => (packed.low < 0 ? SIGNED : POSITIVE);

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// ------------------------------------------------------------------------------------- drawing pad

const pad = $("pad");
const ink = pad.getContext("2d", { willReadFrequently: true });
const pen = { row: 0, column: 0, down: false, used: false }; // of the keyboard, in input pixels
let last = null; // of a stroke of the pointer

const cell = () => PAD / Math.max(...state.drawing);
const centre = () => [(pen.column + 0.5) * cell(), (pen.row + 0.5) * cell()];

function clearPad() {
  ink.fillStyle = "#000";
  ink.fillRect(0, 0, PAD, PAD);
}

function stroke(from, to) {
  Object.assign(ink, { strokeStyle: "#fff", lineCap: "round", lineJoin: "round" });
  ink.lineWidth = Math.max(cell(), PAD / 11);
  ink.beginPath();
  ink.moveTo(...from);
  ink.lineTo(...to);
  ink.stroke();
}

function pointed(event) {
  const box = pad.getBoundingClientRect();
  return [
    ((event.clientX - box.left) / box.width) * PAD,
    ((event.clientY - box.top) / box.height) * PAD,
  ];
}

pad.addEventListener("pointerdown", (event) => {
  pad.setPointerCapture(event.pointerId);
  last = pointed(event);
  stroke(last, last);
  look();
});
pad.addEventListener("pointermove", (event) => {
  if (!last) return;
  const next = pointed(event);
  stroke(last, next);
  last = next;
  look();
});
for (const name of ["pointerup", "pointercancel"]) pad.addEventListener(name, () => (last = null));

pad.addEventListener("keydown", (event) => {
  const [height, width] = state.drawing;
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  const before = centre();
  if (event.key in moves) {
    const [down, right] = moves[event.key];
    pen.row = Math.min(Math.max(pen.row + down, 0), height - 1);
    pen.column = Math.min(Math.max(pen.column + right, 0), width - 1);
  } else if (event.key === " ") {
    pen.down = !pen.down;
  } else if (event.key === "Delete" || event.key === "Backspace") {
    clearPad();
    pen.down = false;
  } else return;
  event.preventDefault();
  pen.used = true;
  if (pen.down) stroke(before, centre());
  $("pad-status").textContent =
    `Pen ${pen.down ? "down" : "up"}, row ${pen.row + 1} of ${height}, column ${pen.column + 1} of ${width}.`;
  look();
});

// The picture in the pad at the size of a drawing: each pixel is the mean of the area below it. With
// "fit", that area is the smallest square around the ink instead of the whole pad.
function drawing() {
  const [height, width] = state.drawing;
  const data = ink.getImageData(0, 0, PAD, PAD).data;
  const inked = (x, y) => (x >= 0 && y >= 0 && x < PAD && y < PAD ? data[4 * (y * PAD + x)] : 0);
  let [left, top, side] = [0, 0, PAD];
  if ($("fit").checked) {
    let [x0, x1, y0, y1] = [PAD, -1, PAD, -1];
    for (let y = 0; y < PAD; y++)
      for (let x = 0; x < PAD; x++)
        if (inked(x, y) > 127) {
          [x0, x1] = [Math.min(x0, x), Math.max(x1, x)];
          [y0, y1] = [Math.min(y0, y), Math.max(y1, y)];
        }
    if (x1 >= 0) {
      side = Math.max(x1 - x0, y1 - y0) + 1;
      side *= height / (height - 2 * state.margin);
      left = (x0 + x1 + 1 - side) / 2;
      top = (y0 + y1 + 1 - side) / 2;
    }
  }
  const bytes = new Uint8Array(height * width);
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) {
      let [sum, count] = [0, 0];
      const ends = (start, index, parts) =>
        [index, index + 1].map((i) => Math.round(start + (side * i) / parts));
      const [y0, y1] = ends(top, row, height);
      const [x0, x1] = ends(left, column, width);
      for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++, count++) sum += inked(x, y);
      bytes[row * width + column] = count ? sum / count : 0;
    }
  return bytes;
}

$("clear").addEventListener("click", () => {
  clearPad();
  look();
});
$("fit").addEventListener("change", look);
$("example").addEventListener("click", async () => {
  const index = Math.floor(Math.random() * state.examples);
  const { pixels, label } = await ask("example", { index });
  const [height, width] = state.drawing;
  const small = element("canvas");
  paint(small, fromBase64(pixels), height, width, GREY);
  ink.imageSmoothingEnabled = false;
  ink.drawImage(small, 0, 0, PAD, PAD);
  $("fit").checked = false; // it has the size that the network was trained with
  $("pad-status").textContent = `A test picture of class ${label}.`;
  look();
});

// -------------------------------------------------------------------------------------- prediction

let looking = false; // one request at a time; the latest drawing follows
let again = false;

async function look() {
  if (looking) {
    again = true;
    return;
  }
  looking = true;
  try {
    do {
      again = false;
      seen = await ask("look", { pixels: toBase64(drawing()) });
      showInput();
      showChances();
      showLayers();
    } while (again);
  } catch {
    again = false;
  } finally {
    looking = false;
  }
}

function showInput() {
  const [height, width] = state.input;
  const canvas = $("input");
  paint(canvas, fromBase64(seen.input.bytes), height, width, GREY);
  const field = unitField();
  if (!field) return;
  // The frame needs more pixels than the picture has.
  const scale = Math.ceil(208 / width);
  const copy = element("canvas");
  paint(copy, fromBase64(seen.input.bytes), height, width, GREY);
  canvas.width = width * scale;
  canvas.height = height * scale;
  const brush = canvas.getContext("2d");
  brush.imageSmoothingEnabled = false;
  brush.drawImage(copy, 0, 0, canvas.width, canvas.height);
  const line = Math.max(4, scale / 4);
  Object.assign(brush, { lineWidth: line, strokeStyle: "#ff9e4a" });
  const [[y0, y1], [x0, x1]] = field.map(({ first, last }) => [first * scale, (last + 1) * scale]);
  brush.strokeRect(x0 + line / 2, y0 + line / 2, x1 - x0 - line, y1 - y0 - line);
}

const percent = (part) => `${(100 * part).toFixed(1)} %`;

function showChances() {
  const best = seen.probabilities.indexOf(Math.max(...seen.probabilities));
  const rows = $("chances").tBodies[0].rows;
  seen.probabilities.forEach((chance, index) => {
    const row = rows[index];
    row.classList.toggle("first", index === best);
    row.cells[1].firstChild.style.width = `${100 * chance}%`;
    row.cells[2].textContent = percent(chance);
  });
  const sure = seen.probabilities[best] >= 0.5 ? "This is" : "Most likely:";
  const untrained = accuracyNow() < 0.5 ? " (the network has not learned much yet)" : "";
  const said = `${sure} ${state.classes[best]}${untrained}`;
  if ($("answer").textContent !== said) $("answer").textContent = said; // else it is read again
}

// ------------------------------------------------------------------------------------------ layers

const unit = { layer: null, map: 0, row: 0, column: 0 }; // the chosen element of a feature map

const chosenLayer = () => seen && seen.layers.find((layer) => layer.name === unit.layer);

// Per rows and columns, the first and the last pixel of the input that the chosen element sees.
function unitField() {
  const layer = chosenLayer();
  if (!layer || !layer.field) return null;
  return layer.field.map(({ start, size, jump }, axis) => {
    const first = Math.floor(start + jump * [unit.row, unit.column][axis]);
    return { first: Math.max(first, 0), last: Math.min(first + size, state.input[axis]) - 1 };
  });
}

function showLayers() {
  const names = seen.layers.map((layer) => layer.name).join();
  if ($("layers").dataset.names !== names) {
    $("layers").replaceChildren(...seen.layers.map(layerRow));
    $("layers").dataset.names = names;
    unit.layer = null;
  }
  seen.layers.forEach((layer, index) => {
    const canvases = $("layers").children[index].querySelectorAll("canvas");
    if (!layer.maps) {
      const bytes = fromBase64(layer.values.bytes);
      paint(canvases[0], bytes, 1, bytes.length, coloursOf(layer.values));
      return;
    }
    const [height, width] = layer.shape;
    const bytes = fromBase64(layer.maps.bytes);
    canvases.forEach((canvas, map) => {
      const part = bytes.subarray(map * height * width, (map + 1) * height * width);
      paint(canvas, part, height, width, coloursOf(layer.maps));
    });
  });
  showUnit();
}

function layerRow(layer) {
  const size = layer.shape.join(" x ");
  const weights = layer.parameters ? `, ${layer.parameters.toLocaleString("en")} parameters` : "";
  const heading = element("h3", { textContent: layer.name });
  const about = element("p", { className: "help", textContent: `${layer.kind}, ${size}${weights}` });
  const row = element("div", { className: "layer" }, heading, about);
  if (!layer.maps) {
    const strip = element("canvas", { ariaLabel: `The ${layer.shape} values of ${layer.name}` });
    strip.setAttribute("role", "img");
    row.append(element("div", { className: "vector" }, strip));
    return row;
  }
  const [height, width, channels] = layer.shape;
  const shown = fromBase64(layer.maps.bytes).length / (height * width);
  if (shown < channels) about.textContent += `; the first ${shown} maps`;
  const group = element("div", { className: "maps", ariaLabel: `Feature maps of ${layer.name}` });
  group.setAttribute("role", "group");
  for (let map = 0; map < shown; map++) {
    const button = element("button", { type: "button", tabIndex: map ? -1 : 0 }, element("canvas"));
    button.setAttribute("aria-label", `${layer.name}, map ${map + 1} of ${channels}`);
    button.setAttribute("aria-describedby", "map-help");
    const choose = (row_, column) => chooseUnit(layer.name, map, row_, column);
    const point = (event) => {
      const box = button.firstChild.getBoundingClientRect();
      const place = (at, start, length, count) =>
        Math.min(Math.max(Math.floor(((at - start) / length) * count), 0), count - 1);
      choose(
        place(event.clientY, box.top, box.height, height),
        place(event.clientX, box.left, box.width, width),
      );
    };
    button.addEventListener("pointermove", point);
    button.addEventListener("pointerdown", point);
    button.addEventListener("focus", () => {
      if (unit.layer !== layer.name || unit.map !== map)
        choose(Math.min(unit.row, height - 1), Math.min(unit.column, width - 1));
    });
    button.addEventListener("keydown", (event) => moveUnit(event, group, height, width));
    group.append(button);
  }
  row.append(group);
  return row;
}

function moveUnit(event, group, height, width) {
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  const turns = { PageUp: -1, PageDown: 1 };
  if (event.key in moves) {
    const [down, right] = moves[event.key];
    const within = (value, count) => Math.min(Math.max(value, 0), count - 1);
    chooseUnit(unit.layer, unit.map, within(unit.row + down, height), within(unit.column + right, width));
  } else if (event.key in turns) {
    const next = group.children[unit.map + turns[event.key]];
    if (next) next.focus();
  } else return;
  event.preventDefault();
}

function chooseUnit(layer, map, row, column) {
  Object.assign(unit, { layer, map, row, column });
  showInput();
  showUnit();
}

function showUnit() {
  const layer = chosenLayer();
  for (const [index, row] of [...$("layers").children].entries()) {
    const chosen = seen.layers[index] === layer;
    row.querySelectorAll("button").forEach((button, map) => {
      button.classList.toggle("chosen", chosen && map === unit.map);
      button.tabIndex = map === (chosen ? unit.map : 0) ? 0 : -1;
    });
  }
  $("filter").replaceChildren();
  if (!layer) {
    $("unit").textContent = "";
    return;
  }
  const { bytes, low, high } = layer.maps;
  const [height, width] = layer.shape;
  const value = fromBase64(bytes)[(unit.map * height + unit.row) * width + unit.column];
  const field = unitField();
  const range = ({ first, last }) => (first === last ? `${first + 1}` : `${first + 1} to ${last + 1}`);
  $("unit").textContent =
    `${layer.name}, map ${unit.map + 1}, row ${unit.row + 1}, column ${unit.column + 1}: ` +
    `about ${(low + (value / 255) * (high - low)).toFixed(2)}` +
    (field ? `; depends on rows ${range(field[0])} and columns ${range(field[1])} of the input.` : ".");
  if (layer.filters) showFilter(layer);
}

function showFilter(layer) {
  const [, channels, rows, columns] = layer.filters.shape;
  const bytes = fromBase64(layer.filters.bytes);
  const size = rows * columns;
  const pictures = Array.from({ length: channels }, (_, channel) => {
    const start = (unit.map * channels + channel) * size;
    const canvas = element("canvas", { ariaLabel: `weights for input channel ${channel + 1}` });
    canvas.setAttribute("role", "img");
    paint(canvas, bytes.subarray(start, start + size), rows, columns, SIGNED);
    return canvas;
  });
  const bias = layer.filters.bias ? `; bias ${layer.filters.bias[unit.map].toFixed(2)}` : "";
  const title = `Filter ${unit.map + 1} of ${layer.name}, ${rows} x ${columns} per input channel${bias}`;
  $("filter").replaceChildren(element("p", { className: "help", textContent: title }), ...pictures);
}

// ---------------------------------------------------------------------------------------- training

let training = false;

const accuracyNow = () => state.accuracies.at(-1)[1];

async function train(steps) {
  const answer = await ask("train", { steps });
  state.losses.push(...answer.losses);
  state.accuracies.push(answer.accuracy);
  showCurves();
  await look();
}

function showCurves() {
  const { losses, accuracies } = state;
  const most = losses.reduce((a, b) => Math.max(a, b), 1e-3);
  const steps = Math.max(losses.length, 1);
  chart("loss", losses.map((loss, index) => [(index + 1) / steps, loss / most]), most.toFixed(2));
  chart("accuracy", accuracies.map(([step, part]) => [step / steps, part]), "100 %");
  const accuracy = percent(accuracyNow());
  const loss = losses.length ? `, loss ${losses.at(-1).toFixed(3)}` : "";
  const weights = `${state.parameters.toLocaleString("en")} parameters`;
  // Read aloud when training pauses, not at every step.
  $("progress").setAttribute("aria-live", training ? "off" : "polite");
  $("progress").textContent = `${weights}; step ${losses.length}${loss}, test accuracy ${accuracy}`;
  $("loss").setAttribute("aria-label", `Training loss, ${losses.length} steps${loss}`);
  $("accuracy").setAttribute("aria-label", `Test accuracy, now ${accuracy}`);
}

// Points from 0 to 1 on both axes; the label names the upper end.
function chart(id, points, label) {
  const made = (tag, attributes, text = "") => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.textContent = text;
    return node;
  };
  const every = Math.ceil(points.length / 320);
  const line = points
    .filter((_, index) => index % every === 0 || index === points.length - 1)
    .map(([x, y]) => `${(2 + 156 * x).toFixed(1)},${(78 - 64 * y).toFixed(1)}`);
  $(id).replaceChildren(
    made("polyline", { points: line.join(" ") }),
    made("text", { x: 4, y: 11 }, points.length ? label : ""),
  );
}

$("train").addEventListener("click", async () => {
  training = !training;
  $("train").textContent = training ? "Stop" : "Train";
  try {
    while (training) await train(STEPS);
  } catch {
    training = false;
    $("train").textContent = "Train";
  }
  showCurves();
});
$("step").addEventListener("click", () => train(1).catch(() => {}));
$("reset").addEventListener("click", () => choose($("network").value));
$("network").addEventListener("change", () => choose($("network").value));

async function choose(name) {
  if (training) $("train").click();
  begin(await ask("network", { name }));
}

function begin(now) {
  state = now;
  const options = state.networks.map((name) => element("option", { value: name, textContent: name }));
  $("network").replaceChildren(...options);
  $("network").value = state.network;
  const rows = state.classes.map((name) => {
    const head = element("th", { scope: "row", textContent: name });
    const bar = element("td", { className: "bar" }, element("div"));
    return element("tr", {}, head, bar, element("td", { className: "percent" }));
  });
  $("chances").tBodies[0].replaceChildren(...rows);
  $("input-size").textContent = `input ${state.input.join(" x ")}`;
  showCurves();
  look();
}

clearPad();
const even = Uint8Array.from({ length: 256 }, (_, value) => value);
paint($("scale-positive"), even, 1, 256, POSITIVE);
paint($("scale-signed"), even, 1, 256, SIGNED);
ask("state").then(begin);
