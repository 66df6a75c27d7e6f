// The map: points over two axes, coloured by what was found; the line is gamma = 3/4 exactly.

const BOUNDARY = 0.75; // gamma at n = n_balance: (1 + n / (n + n_balance)) / 2
const COLOURED = {
  "exponent at N": {of: p => p.exponent, log: false},
  "n_balance": {of: p => p.balance, log: true},
  "largest deviation": {of: p => p.deviation, log: true},
  "max |z|": {of: p => p.z, log: false},
  verdict: {of: p => p.verdict, words: true},
  regime: {of: p => p.regime, words: true},
};
// Dark to light, even steps of lightness: fit for any eye.
const RAMP = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const WORDS = {PASS: "#2da44e", FAIL: "#cf222e", UNDECIDED: "#d4a72c"};
const MORE = ["#7b3294", "#2c7bb6", "#fdbe6f", "#d7191c", "#5e0b0b", "#888888", "#4dac26", "#b8e186"];

function ramp(share) {
  const x = Math.min(Math.max(share, 0), 1) * (RAMP.length - 1), k = Math.min(Math.floor(x), 3);
  const mixed = RAMP[k].map((c, i) => Math.round(c + (x - k) * (RAMP[k + 1][i] - c)));
  return `rgb(${mixed.join(",")})`;
}

function makePhase(data, lead) {
  const points = data.points;
  const several = a => new Set(a.at.filter(v => v !== null && v !== "")).size > 1;
  const axes = data.axes.filter(several), numeric = axes.filter(a => a.numeric);
  if (numeric.length < 2) return;
  document.getElementById("phase").hidden = false;
  const sorted = a => [...new Set(a.at.filter(v => v !== null))].sort((x, y) =>
    a.numeric ? x - y : String(x).localeCompare(String(y), "en", {numeric: true}));
  for (const a of axes) a.distinct = sorted(a);
  numeric.sort((a, b) => b.distinct.length - a.distinct.length);

  const form = document.getElementById("phase-form");
  const choice = (name, options, value) => {
    const select = element("select", {name}, ...options.map(([text, v]) =>
      element("option", {value: v, selected: v === value}, text)));
    select.addEventListener("change", () => {
      pinned = null; // its cell is another point now
      draw();
    });
    return element("label", {}, `${name} `, select);
  };
  const names = numeric.map(a => [a.name, a.path]);
  form.append(choice("across", names, numeric[0].path), choice("up", names, numeric[1].path),
    choice("colour", Object.keys(COLOURED).map(k => [k, k]), "exponent at N"));
  const others = element("span", {});
  form.append(others);
  const chosen = name => form.elements[name].value;
  const canvas = document.getElementById("phase-canvas");
  let cells = new Map(), frame = null, pinned = null, crossed = false;

  function selectOthers(x, y) {
    const wanted = axes.filter(a => a !== x && a !== y).map(a => `at ${a.name}`);
    const there = [...others.querySelectorAll("select")].map(s => s.name);
    if (wanted.join() === there.join()) return;
    others.replaceChildren(...axes.filter(a => a !== x && a !== y).map(a =>
      choice(`at ${a.name}`, a.distinct.map((v, k) => [String(v), String(k)]), "0")));
  }

  function draw() {
    const by = path => axes.find(a => a.path === path);
    const x = by(chosen("across"));
    let y = by(chosen("up"));
    if (x === y) {
      y = numeric.find(a => a !== x);
      form.elements.up.value = y.path;
    }
    selectOthers(x, y);
    const fixed = axes.filter(a => a !== x && a !== y)
      .map(a => [a, a.distinct[Number(chosen(`at ${a.name}`))]]);
    const what = COLOURED[chosen("colour")], values = what.of(points);
    const column = new Map(x.distinct.map((v, k) => [v, k]));
    const row = new Map(y.distinct.map((v, k) => [v, k]));
    cells = new Map();
    for (let k = 0; k < data.count; k++)
      if (fixed.every(([a, v]) => a.at[k] === v) && x.at[k] !== null && y.at[k] !== null)
        cells.set(row.get(y.at[k]) * x.distinct.length + column.get(x.at[k]), k);
    const found = [...cells.values()].map(k => values[k]);
    const {colour, key} = scale(found, what);
    paint(x, y, k => colour(values[k]));
    document.getElementById("phase-key").replaceChildren(...key);
    tell(pinned); // a phone that scrolls resizes: what was touched stays
  }

  function paint(x, y, colour) {
    const width = Math.min(640, document.querySelector("main").clientWidth - 8);
    const left = 64, bottom = 40, top = 8, height = Math.round(width * 0.72);
    const ratio = window.devicePixelRatio || 1;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const to = canvas.getContext("2d"), style = getComputedStyle(document.body);
    to.scale(ratio, ratio);
    to.clearRect(0, 0, width, height);
    const nx = x.distinct.length, ny = y.distinct.length;
    const w = (width - left - 8) / nx, h = (height - bottom - top) / ny;
    frame = {left, top, w, h, nx, ny, height: ny * h, x, y};
    for (const [cell, k] of cells) {
      to.fillStyle = colour(k);
      const i = cell % nx, j = Math.floor(cell / nx);
      to.fillRect(left + i * w, top + (ny - 1 - j) * h, w + 0.5, h + 0.5);
    }
    boundary(to);
    if (pinned !== null && cells.has(pinned)) {
      const i = pinned % nx, j = Math.floor(pinned / nx);
      to.strokeStyle = "#fff";
      to.lineWidth = 4;
      to.strokeRect(left + i * w, top + (ny - 1 - j) * h, w, h);
      to.strokeStyle = "#000";
      to.lineWidth = 2;
      to.strokeRect(left + i * w, top + (ny - 1 - j) * h, w, h);
    }
    to.fillStyle = style.color;
    to.font = "11px system-ui, sans-serif";
    const some = (count, most) => [...Array(count).keys()].filter(k =>
      k % Math.ceil(count / most) === 0);
    to.textAlign = "center";
    for (const i of some(nx, width < 450 ? 4 : 8))
      to.fillText(brief(x.distinct[i]), left + (i + 0.5) * w, top + ny * h + 14);
    to.fillText(x.name, left + nx * w / 2, top + ny * h + 30);
    to.textAlign = "right";
    for (const j of some(ny, 8))
      to.fillText(brief(y.distinct[j]), left - 4, top + (ny - 1 - j + 0.5) * h + 4);
    to.save();
    to.translate(12, top + ny * h / 2);
    to.rotate(-Math.PI / 2);
    to.textAlign = "center";
    to.fillText(y.name, 0, 0);
    to.restore();
  }

  // Marching over squares of four neighbours; exact at the points, linear between them.
  function boundary(to) {
    const {left, top, w, h, nx, ny} = frame;
    const at = (i, j) => cells.has(j * nx + i) ? points.theory[cells.get(j * nx + i)] - BOUNDARY : NaN;
    const place = (i, j) => [left + (i + 0.5) * w, top + (ny - 1 - j + 0.5) * h];
    crossed = false;
    to.beginPath();
    for (let i = 0; i + 1 < nx; i++)
      for (let j = 0; j + 1 < ny; j++) {
        const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]];
        const crossings = [];
        corners.forEach((a, side) => {
          const b = corners[(side + 1) % 4], u = at(...a), v = at(...b);
          if (!(u * v < 0)) return;
          const t = u / (u - v), p = place(...a), q = place(...b);
          crossings.push([p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])]);
        });
        for (let c = 0; c + 1 < crossings.length; c += 2) {
          to.moveTo(...crossings[c]);
          to.lineTo(...crossings[c + 1]);
          crossed = true;
        }
      }
    for (const [colour, width] of [["#fff", 4], ["#000", 1.8]]) {
      to.strokeStyle = colour;
      to.lineWidth = width;
      to.stroke();
    }
  }

  function tell(cell) {
    const said = document.getElementById("phase-value");
    if (cell === null || !cells.has(cell)) {
      said.textContent = "Touch a cell to see its values. " + (crossed
        ? "Line: n = n_balance (gamma = 3/4), exact at the points."
        : "n = n_balance is not crossed here.");
      return;
    }
    const k = cells.get(cell);
    said.replaceChildren(element("span", {class: `verdict ${points.verdict[k]}`}, points.verdict[k]),
      ` ${points.label[k]}: exponent ${shown(points.exponent[k], 4)}`
      + (Number.isNaN(points.error[k]) ? "" : ` ± ${brief(Number(points.error[k].toPrecision(1)))}`)
      + ` (theory ${shown(points.theory[k], 4)}), n_balance ${brief(points.balance[k])}, largest `
      + `deviation ${percent(points.deviation[k])}. `,
      element("button", {type: "button", class: "link", onclick: () => lead(k)}, "Its row"), " ",
      element("a", {href: `#point-${k}`}, "all of it"));
  }

  function under(event) {
    const box = canvas.getBoundingClientRect();
    const i = Math.floor((event.clientX - box.left - frame.left) / frame.w);
    const j = frame.ny - 1 - Math.floor((event.clientY - box.top - frame.top) / frame.h);
    const inside = i >= 0 && i < frame.nx && j >= 0 && j < frame.ny;
    return inside && cells.has(j * frame.nx + i) ? j * frame.nx + i : null;
  }

  function pin(cell) {
    pinned = cell;
    draw();
  }

  canvas.addEventListener("pointermove", event => { if (pinned === null) tell(under(event)); });
  canvas.addEventListener("click", event => {
    const cell = under(event);
    pin(cell === pinned ? null : cell);
  });
  canvas.addEventListener("keydown", event => {
    const step = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: frame.nx, ArrowDown: -frame.nx}[event.key];
    if (event.key === "Enter" && pinned !== null) location.hash = `point-${cells.get(pinned)}`;
    if (step === undefined) return;
    event.preventDefault();
    const next = pinned === null ? [...cells.keys()][0] : pinned + step;
    const turned = Math.abs(step) === 1 && pinned !== null
      && Math.floor(next / frame.nx) !== Math.floor(pinned / frame.nx); // beyond the end of a row
    if (cells.has(next) && !turned) pin(next);
  });
  window.addEventListener("resize", draw);
  form.addEventListener("submit", event => event.preventDefault());
  draw();
}

// Colours of values, and what they mean in words.
function scale(values, {words, log}) {
  const patch = (colour, text) => element("div", {},
    element("span", {class: "patch", style: `background: ${colour}`}), text);
  if (words) {
    const all = [...new Set(values)].sort();
    const colours = new Map(all.map((w, k) => [w, WORDS[w] ?? MORE[k % MORE.length]]));
    return {colour: w => colours.get(w), key: all.map(w => patch(colours.get(w), w))};
  }
  const known = values.filter(v => Number.isFinite(v) && (!log || v > 0)).sort((a, b) => a - b);
  const wide = log && known.length && known.at(-1) > 3 * known[0];
  const middle = known[Math.floor(known.length / 2)];
  // n_balance is infinite, or noise, where few cells would hide all others
  const low = wide ? Math.max(known[0], middle / 1000) : known[0];
  const high = wide ? Math.min(known.at(-1), middle * 1000) : known.at(-1);
  const share = v => high === low ? 0.5
    : wide ? Math.log(v / low) / Math.log(high / low) : (v - low) / (high - low);
  const colour = v => Number.isNaN(v) || (wide && v <= 0) ? "#bbb" : ramp(share(v));
  if (!known.length) return {colour: () => "#bbb", key: [patch("#bbb", "not known")]};
  const key = [1, 0.75, 0.5, 0.25, 0].map(s =>
    patch(ramp(s), brief(wide ? low * (high / low) ** s : low + s * (high - low))));
  if (values.some(v => Number.isNaN(v))) key.push(patch("#bbb", "not known"));
  return {colour, key};
}
