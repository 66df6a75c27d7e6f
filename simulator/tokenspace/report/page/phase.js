// The map: points over two axes, coloured by what was found; the line is n = n_balance.

const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]};

function makePhase(data, lead) {
  const points = data.points;
  for (const a of data.axes) a.distinct = distinct(a);
  const axes = data.axes.filter(a => a.distinct.length > 1);
  const numeric = axes.filter(a => a.numeric && a.distinct.filter(v => v !== null).length > 1);
  if (numeric.length < 2) return;
  document.getElementById("phase").hidden = false;
  numeric.sort((a, b) => b.distinct.length - a.distinct.length);

  const form = document.getElementById("phase-form");
  const canvas = document.getElementById("phase-canvas");
  let grid = null, frame = null, pinned = null, crossed = false, paper = false;
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
  const others = element("span", {});
  form.append(choice("across", names, numeric[0].path), choice("up", names, numeric[1].path),
    choice("colour", Object.keys(COLOURED).map(k => [k, k]), "exponent at N"), others);
  const chosen = name => form.elements[name].value;
  const apart = new Map(); // sides -> axes beside them
  const rank = points.verdict.map(v => data.verdicts.indexOf(v));

  function selectOthers(rest) {
    const wanted = rest.map(a => `at ${a.name}`);
    const there = [...others.querySelectorAll("select")].map(s => s.name);
    if (wanted.join() === there.join()) return;
    others.replaceChildren(...rest.map(a => choice(`at ${a.name}`,
      a.distinct.map((v, k) => [said(v), String(k)]), "0")));
  }

  function draw() {
    const by = path => axes.find(a => a.path === path);
    const x = by(chosen("across"));
    let y = by(chosen("up"));
    if (x === y) {
      y = numeric.find(a => a !== x);
      form.elements.up.value = y.path;
    }
    const sides = `${x.path} ${y.path}`;
    if (!apart.has(sides)) apart.set(sides, besides(axes, x, y, data.count));
    const rest = apart.get(sides);
    selectOthers(rest);
    const fixed = rest.map(a => [a, a.distinct[Number(chosen(`at ${a.name}`))]]);
    const what = COLOURED[chosen("colour")], values = what.of(points);
    const shownHere = [...Array(data.count).keys()].filter(k => x.at[k] !== null
      && y.at[k] !== null && fixed.every(([a, v]) => a.at[k] === v));
    grid = lattice(shownHere, x, y, (k, other) => rank[k] < rank[other]);
    const {colour, key} = scale([...grid.cells.values()].map(k => values[k]), what);
    ({frame, crossed} = paint(canvas, grid,
      {x, y, colour: k => colour(values[k]), over: points.over_balance, chosen: pinned, paper}));
    document.getElementById("phase-key").replaceChildren(...key);
    const where = fixed.map(([a, v]) => `, at ${a.name} = ${said(v)}`).join("");
    document.getElementById("phase-title").textContent =
      `${chosen("colour")} over ${x.name} and ${y.name}${where}. ` + (crossed
        ? "Line: n = n_balance by the exact theory."
        : [...grid.cells.values()].some(k => !Number.isNaN(points.over_balance[k]))
          ? "n = n_balance is not crossed here." : "No theory is known here.");
    tell(pinned); // a phone that scrolls resizes: what was touched stays
  }

  function tell(cell) {
    const value = document.getElementById("phase-value");
    if (cell === null || !grid.cells.has(cell)) {
      value.textContent = "";
      return;
    }
    const k = grid.cells.get(cell);
    value.replaceChildren(
      element("span", {class: `verdict ${points.verdict[k]}`}, points.verdict[k]),
      ` ${points.label[k]}: exponent ${exponentOf(points, k)}`
      + ` (theory ${shown(points.theory[k], 4)}), n_balance ${brief(points.balance[k])}, largest `
      + `deviation ${percent(points.deviation[k])}. `,
      element("button", {type: "button", class: "link", onclick: () => lead(k)}, "Its row"), " ",
      element("a", {href: `#point-${k}`}, "all of it"));
  }

  function under(event) {
    const box = canvas.getBoundingClientRect(), unit = frame.width / box.width;
    return cellAt(grid, frame, (event.clientX - box.left) * unit, (event.clientY - box.top) * unit);
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
    if (event.key === "Enter" && pinned !== null)
      location.hash = `point-${grid.cells.get(pinned)}`;
    if (event.key === "Escape") pin(null);
    if (!(event.key in ARROWS)) return;
    event.preventDefault();
    const next = towards(grid, pinned, ARROWS[event.key]);
    if (next !== null) pin(next);
  });
  const print = on => {
    paper = on;
    draw();
  };
  window.addEventListener("beforeprint", () => print(true));
  window.addEventListener("afterprint", () => print(false));
  window.addEventListener("resize", draw);
  for (const other of ["(prefers-color-scheme: dark)", "print"]) // other colours of words
    matchMedia(other).addEventListener("change", draw);
  form.addEventListener("submit", event => event.preventDefault());
  draw();
}

const said = v => v === null || v === "" ? "none" : typeof v === "number" ? brief(v) : String(v);

// Every value of an axis in order, null last: not every point has every axis.
function distinct(axis) {
  const known = [...new Set(axis.at)];
  const sorted = known.filter(v => v !== null).sort((x, y) => axis.numeric
    ? x - y : String(x).localeCompare(String(y), "en", {numeric: true}));
  return known.includes(null) ? [...sorted, null] : sorted;
}

// The axes that tell points of one place apart; in a zipped sweep the others follow from two.
function besides(axes, x, y, count) {
  const split = keys => new Set(keys).size;
  let keys = [...Array(count).keys()].map(k => `${x.at[k]}|${y.at[k]}`);
  const out = [];
  for (const a of axes.filter(other => other !== x && other !== y)) {
    const finer = keys.map((key, k) => `${key}|${a.at[k]}`);
    if (split(finer) === split(keys)) continue;
    keys = finer;
    out.push(a);
  }
  return out;
}
