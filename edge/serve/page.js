// The live page. Messages come from /events five times a second; the video is a picture that changes by itself.
"use strict";

const SPAN = 30; // seconds that the chart shows
const QUIET = 3; // seconds between two announcements, so that a screen reader can finish
const LARGEST = "largest";
const NAMESPACE = "http://www.w3.org/2000/svg";
const CHART = { left: 34, right: 596, top: 10, bottom: 196 }; // in CSS pixels, so that text keeps its size

const part = (id) => document.getElementById(id);
const histories = new Map(); // face -> [{time, weights}], the largest face's under LARGEST
const articles = new Map(); // face -> what is on the page for it
const labels = new Map(); // face -> the label that was announced last
let names = []; // expressions in the bundle's order
let said = 0;

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function shape(tag, attributes, text) {
  const made = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function set(node, text) {
  if (node.textContent !== text) node.textContent = text; // an unchanged text must not be read out again
}

// The video

const video = part("video");
let paused = false;

function roll() {
  // Another address each time: a browser would show the ended stream's last picture for the same one.
  video.src = `video?${Date.now()}`;
}

part("pause").addEventListener("click", () => {
  paused = !paused;
  part("pause").setAttribute("aria-pressed", String(paused));
  set(part("pause"), paused ? "Go on with the video" : "Pause the video");
  if (paused) freeze();
  else roll();
});

function freeze() {
  // The last picture stays, and nothing more is sent.
  const canvas = document.createElement("canvas");
  canvas.width = video.naturalWidth || 1;
  canvas.height = video.naturalHeight || 1;
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob((blob) => {
    if (!paused || !blob) return;
    const address = URL.createObjectURL(blob);
    video.onload = () => { URL.revokeObjectURL(address); video.onload = null; };
    video.src = address;
  }, "image/jpeg");
}

// The faces

function keyOf(face, index) {
  return face.track === null ? `still ${index}` : String(face.track);
}

function articleOf(key) {
  if (!articles.has(key)) {
    const made = element("article");
    const heading = element("h3");
    const why = element("p", "", "why");
    const table = element("table");
    const rows = names.map((name) => {
      const row = table.insertRow();
      const head = element("th", name);
      head.scope = "row";
      const bar = element("div", undefined, "bar");
      bar.setAttribute("aria-hidden", "true");
      const fill = element("i");
      bar.append(fill);
      row.append(head);
      row.insertCell().append(bar);
      return { row, fill, number: row.insertCell() };
    });
    made.append(heading, why, table);
    articles.set(key, { made, heading, why, rows });
    part("list").append(made);
  }
  return articles.get(key);
}

function showFaces(faces) {
  part("none").hidden = faces.length > 0;
  const here = new Set();
  faces.forEach((face, index) => {
    const key = keyOf(face, index);
    here.add(key);
    const { made, heading, why, rows } = articleOf(key);
    set(heading, `Face ${key}: ${face.label}`);
    const reasons = face.doubts.length ? `${face.doubts.join("; ")}; heaviest is ${face.expression}` : "";
    set(why, reasons);
    why.hidden = !reasons;
    made.classList.toggle("unsure", face.doubts.length > 0);
    names.forEach((name, at) => {
      const { row, fill, number } = rows[at];
      row.classList.toggle("first", name === face.expression);
      fill.style.width = `${100 * face.weights[name]}%`;
      set(number, face.weights[name].toFixed(2));
    });
  });
  for (const [key, { made }] of articles) {
    if (!here.has(key)) { made.remove(); articles.delete(key); }
  }
}

function announce(faces, now) {
  const changed = [];
  const here = new Set();
  faces.forEach((face, index) => {
    const key = keyOf(face, index);
    here.add(key);
    if (labels.get(key) !== face.label) changed.push([key, face.label]);
  });
  const left = [...labels.keys()].filter((key) => !here.has(key));
  if (!part("aloud").checked || now - said < QUIET || !(changed.length + left.length)) return;
  const words = changed.map(([key, label]) => `face ${key}: ${label}`);
  part("say").textContent = [...words, ...left.map((key) => `face ${key} has left`)].join(", ");
  changed.forEach(([key, label]) => labels.set(key, label));
  left.forEach((key) => labels.delete(key));
  said = now;
}

// What came and went

let last = 0; // the number of the latest that is on the page

function showMoments(moments, watched) {
  part("moments").hidden = !watched;
  const latest = moments.length ? moments[moments.length - 1].number : 0;
  if (latest === last) return;
  last = latest;
  part("no-moment").hidden = moments.length > 0;
  const lines = [...moments].reverse().map((each) => {
    const long = Math.round(1000 * (each.offset - each.onset));
    const what = [each.kind, each.expression, each.tone && `tone ${each.tone}`].filter(Boolean).join(", ");
    const doubted = each.doubts.length ? ` (${each.doubts.join("; ")})` : "";
    return element("li", `${each.apex.toFixed(2)} s, face ${each.track}: ${what}, ${long} ms, ${each.regions.join(", ")}${doubted}`);
  });
  part("told").replaceChildren(...lines);
}

// The chart

function remember(faces, now) {
  const largest = faces.reduce(
    (best, face) => (!best || face.box[2] * face.box[3] > best.box[2] * best.box[3] ? face : best), null);
  const add = (key, face) => {
    if (!histories.has(key)) histories.set(key, []);
    histories.get(key).push({ time: now, weights: face.weights });
  };
  faces.forEach((face, index) => add(keyOf(face, index), face));
  if (largest) add(LARGEST, largest);
  for (const [key, history] of histories) {
    while (history.length && now - history[0].time > SPAN) history.shift();
    if (!history.length) histories.delete(key);
  }
  offer(largest);
}

function offer() {
  const who = part("who");
  const wanted = [LARGEST, ...[...histories.keys()].filter((key) => key !== LARGEST)];
  for (const option of [...who.options]) {
    // The chosen face stays in the list when it has left, so that the choice does not jump.
    if (!wanted.includes(option.value) && option.value !== LARGEST && !option.selected) option.remove();
  }
  const there = new Set([...who.options].map((option) => option.value));
  wanted.filter((key) => !there.has(key)).forEach((key) => who.add(new Option(`face ${key}`, key)));
}

function drawGround() {
  CHART.right = Math.max(200, part("chart").clientWidth) - 4;
  part("ground").replaceChildren();
  const { left, right, top, bottom } = CHART;
  for (const level of [0, 0.25, 0.5, 0.75, 1]) {
    const y = bottom - level * (bottom - top);
    part("ground").append(
      shape("line", { x1: left, x2: right, y1: y, y2: y }),
      shape("text", { x: left - 5, y: y + 4, "text-anchor": "end" }, String(level)));
  }
  for (const seconds of [30, 20, 10, 0]) {
    const x = right - (seconds / SPAN) * (right - left);
    const anchor = seconds === 0 ? "end" : seconds === SPAN ? "start" : "middle";
    part("ground").append(
      shape("text", { x, y: bottom + 18, "text-anchor": anchor }, seconds ? `${seconds} s ago` : "now"));
  }
}

function drawLines(now) {
  const { left, right, top, bottom } = CHART;
  const history = histories.get(part("who").value) || [];
  names.forEach((name, at) => {
    const points = history.map(({ time, weights }) => {
      const x = right - ((now - time) / SPAN) * (right - left);
      return `${x.toFixed(1)},${(bottom - weights[name] * (bottom - top)).toFixed(1)}`;
    });
    part(`line-${at}`).setAttribute("points", points.join(" "));
    const last = history[history.length - 1];
    set(part(`weight-${at}`), last ? last.weights[name].toFixed(2) : "-");
  });
}

function prepare(found) {
  // Colour and dashes both tell the lines apart.
  names = found;
  names.forEach((name, at) => {
    const style = `c${at % 8} d${at % 4}`;
    part("chart").append(shape("polyline", { id: `line-${at}`, class: style }));
    const item = element("li");
    const sample = shape("svg", { "aria-hidden": "true", viewBox: "0 0 26 8" });
    sample.append(shape("line", { x1: 0, x2: 26, y1: 4, y2: 4, class: style }));
    const weight = element("span", "-");
    weight.id = `weight-${at}`;
    item.append(sample, element("span", name), weight);
    part("legend").append(item);
  });
}

// The messages

function showRun(message) {
  const shown = (value, unit) => (value === null ? "not known" : `${value}${unit}`);
  set(part("fps"), message.fps.toFixed(1));
  set(part("latency_ms"), shown(message.latency_ms, " ms"));
  set(part("temperature_c"), shown(message.temperature_c, " °C"));
  set(part("missed"), String(message.missed));
  const lost = Object.entries(message.lost).filter(([, count]) => count);
  set(part("lost"), lost.length ? lost.map(([name, count]) => `${name} ${count}`).join(", ") : "0");
  for (const name of ["frames", "faults", "viewers", "stills"]) set(part(name), String(message[name]));
  set(part("last_fault"), message.last_fault);
}

function take(message) {
  const now = performance.now() / 1000;
  showRun(message);
  const reading = message.reading;
  const flows = message.fps > 0;
  say(!message.video || flows ? "good" : "waiting", !message.video ? "ready for stills" : flows ? "live" : "waiting for frames");
  part("video").classList.toggle("none", !message.video);
  part("no-video").hidden = message.video;
  part("pause").hidden = !message.video;
  if (message.video && !video.src) roll();
  if (!names.length && message.labels) prepare(message.labels);
  set(part("source"), reading ? `${reading.source}, ${reading.width} x ${reading.height}` : "");
  const faces = reading && flows ? reading.faces : [];
  showFaces(faces);
  showMoments(message.moments, Boolean(reading && reading.moments));
  remember(faces, now);
  announce(faces, now);
  drawLines(now);
}

function say(state, words) {
  part("state").dataset.state = state;
  set(part("state"), words);
}

function listen() {
  const events = new EventSource("events");
  let broken = false;
  events.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (broken && !paused && message.video) roll();
    broken = false;
    take(message);
  };
  events.onerror = () => {
    broken = true;
    say("bad", "connection lost, trying again");
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  };
}

part("chart").append(shape("g", { id: "ground" }));
new ResizeObserver(drawGround).observe(part("chart"));
listen();
