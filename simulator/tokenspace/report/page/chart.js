// A small chart as SVG: one quantity against n, measured with errors, and the theory as a line.

const SIZE = {width: 380, height: 260, left: 56, right: 10, top: 12, bottom: 34};

function svg(tag, attributes, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

// Numbers to one side of an axis: powers of ten on a log scale, steps of 1, 2 or 5 on a linear one.
function ticks(low, high, log) {
  if (log) {
    const first = Math.ceil(Math.log10(low) - 1e-9), last = Math.floor(Math.log10(high) + 1e-9);
    const all = [];
    const by = Math.max(1, Math.ceil((last - first) / 5));
    for (let k = first; k <= last; k += by) all.push(10 ** k);
    if (all.length > 1) return all;
  }
  const raw = (high - low) / 4, size = 10 ** Math.floor(Math.log10(raw));
  const step = size * [1, 2, 5, 10].find(s => s * size >= raw);
  const out = [];
  for (let x = Math.ceil(low / step) * step; x <= high + step * 1e-9; x += step)
    out.push(Math.abs(x) < step * 1e-9 ? 0 : x);
  return out;
}

// points: [{x, y, error}]; line: [{x, y}]; bands: heights to draw as lines across.
function chart({title, points, line = [], levels = [], logY = false, label}) {
  const {width, height, left, right, top, bottom} = SIZE;
  const root = svg("svg", {viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title});
  const ok = y => Number.isFinite(y) && (!logY || y > 0);
  const xs = [...points, ...line].map(p => p.x);
  const ys = [...line.map(p => p.y), ...levels, ...points.flatMap(p =>
    Number.isFinite(p.error) ? [p.y - p.error, p.y + p.error, p.y] : [p.y])].filter(ok);
  if (!points.length || !ys.length) {
    root.append(svg("text", {x: left, y: height / 2}, "nothing is known here"));
    return root;
  }
  const range = (values, log) => {
    let low = Math.min(...values), high = Math.max(...values);
    if (low === high) [low, high] = log ? [low / 2, high * 2] : [low - 1, high + 1];
    const pad = log ? (high / low) ** 0.04 : (high - low) * 0.06;
    return log ? [low / pad, high * pad] : [low - pad, high + pad];
  };
  const [x0, x1] = range(xs, true), [y0, y1] = range(ys, logY);
  const share = (v, low, high, log) => log
    ? Math.log(v / low) / Math.log(high / low) : (v - low) / (high - low);
  const px = x => left + share(x, x0, x1, true) * (width - left - right);
  const py = y => height - bottom - share(y, y0, y1, logY) * (height - top - bottom);
  for (const x of ticks(x0, x1, true)) {
    root.append(svg("line", {x1: px(x), x2: px(x), y1: top, y2: height - bottom,
      stroke: "var(--line)"}));
    root.append(svg("text", {x: px(x), y: height - bottom + 14, "text-anchor": "middle"},
      brief(x)));
  }
  for (const y of ticks(y0, y1, logY)) {
    root.append(svg("line", {x1: left, x2: width - right, y1: py(y), y2: py(y),
      stroke: "var(--line)"}));
    root.append(svg("text", {x: left - 4, y: py(y) + 4, "text-anchor": "end"}, brief(y)));
  }
  for (const y of levels.filter(ok))
    root.append(svg("line", {x1: left, x2: width - right, y1: py(y), y2: py(y),
      stroke: "var(--soft)", "stroke-dasharray": "4 3"}));
  const known = line.filter(p => ok(p.y));
  if (known.length)
    root.append(svg("polyline", {points: known.map(p => `${px(p.x)},${py(p.y)}`).join(" "),
      fill: "none", stroke: "var(--theory)", "stroke-width": 2}));
  for (const p of points.filter(p => ok(p.y))) {
    if (Number.isFinite(p.error)) {
      const low = logY ? Math.max(p.y - p.error, y0) : p.y - p.error;
      root.append(svg("line", {x1: px(p.x), x2: px(p.x), y1: py(low), y2: py(p.y + p.error),
        stroke: "var(--link)"}));
    }
    const dot = svg("circle", {cx: px(p.x), cy: py(p.y), r: 2.6, fill: "var(--link)"});
    dot.append(svg("title", {}, `n = ${brief(p.x)}: ${brief(p.y)}`
      + (Number.isFinite(p.error) ? ` ± ${brief(p.error)}` : "")));
    root.append(dot);
  }
  root.append(svg("text", {x: (left + width - right) / 2, y: height - 4,
    "text-anchor": "middle"}, label));
  return root;
}
