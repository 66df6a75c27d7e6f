// The data inside this file: columns of all points, and curves that are unpacked when first asked.

async function unpacked(id) {
  if (typeof DecompressionStream === "undefined")
    throw new Error("this browser is too old to unpack the data (it lacks DecompressionStream)");
  const text = atob(document.getElementById(id).textContent);
  const bytes = Uint8Array.from(text, c => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const toNumber = x => x === null ? NaN : Number(x); // "Infinity" is a word in JSON

// data.points: name -> one entry a point; data.axes: [{name, at: value of point k}]
async function readColumns() {
  const data = JSON.parse(new TextDecoder().decode(await unpacked("columns")));
  const points = data.points;
  for (const [name, column] of Object.entries(points)) {
    if (Array.isArray(column) || name === "label") continue;
    points[name] = column.at.map(k => column.words[k]); // words, each once
  }
  points.verdict = points.verdict.map(k => data.verdicts[k]);
  for (const name of ["exponent", "error", "theory", "deviation", "z",
                      "balance", "balance_low", "balance_high", "over_balance", "seconds"])
    points[name] = points[name].map(toNumber);
  for (const axis of data.axes) {
    axis.numeric = axis.words === undefined;
    axis.at = axis.numeric ? axis.values.map(x => x === null ? null : Number(x)) : axis.words.at.map(k => axis.words.words[k]);
  }
  data.count = points.label.length;
  return data;
}

// Where the curves of a point start: of `held` points, grids one after the other.
function starts(data) {
  const held = data.held ?? [...Array(data.count).keys()];
  const at = new Map();
  let amplitude = 0, exponent = 0;
  for (const k of held) {
    at.set(k, {amplitude, exponent});
    amplitude += data.grids[data.points.grid[k]].length;
    exponent += Math.max(data.grids[data.points.grid[k]].length - 1, 0);
  }
  return {at, lengths: {amplitude, exponent}};
}

// The curves of all points: a function of a point, null where this file does not hold them.
async function readCurves(data) {
  const bytes = await unpacked("curves");
  const {at, lengths} = starts(data);
  const all = {};
  let begin = 0;
  for (const kind of data.kinds) {
    all[kind] = {};
    for (const [name, kept] of Object.entries(data.kept)) {
      const bits = new Uint32Array(lengths[kind]);
      for (let plane = 0; plane < kept; plane++, begin += bits.length)
        for (let i = 0; i < bits.length; i++)
          bits[i] |= bytes[begin + i] << (24 - 8 * plane);
      all[kind][name] = new Float32Array(bits.buffer);
    }
  }
  return k => {
    if (!at.has(k)) return null;
    const n = data.grids[data.points.grid[k]];
    const of = (kind, length) => {
      const from = at.get(k)[kind];
      return Object.fromEntries(Object.entries(all[kind]).map(
        ([name, values]) => [name, values.subarray(from, from + length)]));
    };
    return {n, amplitude: of("amplitude", n.length),
            exponent: of("exponent", Math.max(n.length - 1, 0))};
  };
}

// Elements with text only: nothing of the data is ever read as HTML.
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

const shown = (x, digits) => Number.isNaN(x) ? "-" : Number.isFinite(x) ? x.toFixed(digits)
  : x > 0 ? "∞" : "-∞";
const brief = x => x === null || Number.isNaN(x) ? "-" : Number.isFinite(x)
  ? String(Number(x.toPrecision(4))) : x > 0 ? "∞" : "-∞";
// A value down to the second digit of its error, as tables in a terminal have it (`to_error`).
function toError(value, error) {
  if (!Number.isFinite(value)) return "-";
  if (!(error > 0 && error < Infinity)) return String(Number(value.toPrecision(error === 0 ? 6 : 3)));
  const size = x => Number(x.toExponential().split("e")[1]); // of the first digit: -1 of 0.1 to 1
  error = Number(error.toExponential(1)); // 0.0996 is 0.10, of another size
  const first = size(Math.max(Math.abs(value), error));
  const decimals = Math.min(1 - size(error), 11 - first);
  const tens = 10 ** Math.max(-decimals, 0), places = Math.max(decimals, 0);
  value = decimals < 0 ? Math.round(value / tens) * tens : Number(value.toFixed(decimals));
  if (first < -4 || (decimals < 0 && first >= 6))
    return value ? value.toExponential(Math.max(decimals + size(Math.abs(value)), 0)).replace(/e([+-])(\d)$/, "e$10$2") : "0";
  return value.toFixed(places).replace(/^-(?=[0.]*$)/, "");
}
const withError = (value, error) => toError(value, error)
  + (Number.isFinite(value) && error > 0 && error < Infinity ? ` ± ${toError(error, error)}` : "");
// An exponent, with its error where one is known.
const exponentOf = (p, k) => Number.isNaN(p.error[k]) ? shown(p.exponent[k], 4)
  : withError(p.exponent[k], p.error[k]);
// A name as a table has room for it: six digits of its numbers, lines that end between axes.
const short = name => (name.length > 160 ? `${name.slice(0, 160)}…` : name).
  replaceAll(" = ", "\u00a0=\u00a0").replace(/\d+\.\d{6,}(?![\d.])/g,
  digits => String(Number(Number(digits).toPrecision(6))));
const percent = x => shown(100 * x, 2) + (Number.isFinite(x) ? " %" : "");
