// The table of points: failures first, searched, sorted, filtered and turned page by page.

const ROWS = 50;
const COLUMNS = [ // name, value to sort by, what is shown, text or number
  ["model", "label", (p, k) => short(p.label[k]), true],
  ["verdict", "verdict", (p, k) => p.verdict[k], true],
  ["sampler", "sampler", (p, k) => p.sampler[k], true],
  ["replicates", "replicates", (p, k) => p.replicates[k].toLocaleString("en")],
  ["exponent at N", "exponent", exponentOf],
  ["theory", "theory", (p, k) => shown(p.theory[k], 4)],
  ["regime", "regime", (p, k) => p.regime[k], true],
  ["n_balance", "balance", (p, k) => brief(p.balance[k])],
  ["largest deviation", "deviation", (p, k) => percent(p.deviation[k])],
  ["max |z|", "z", (p, k) => shown(p.z[k], 2)],
];
const COMPARED = /^(.+?)(>=|<=|=|>|<)(.*)$/;

// What a query asks of a point: every word must be somewhere in it, `axis>0.3` must hold.
function asks(query, data) {
  const tests = [], unknown = [];
  for (const word of query.toLowerCase().split(/\s+/).filter(Boolean)) {
    const found = COMPARED.exec(word);
    const column = found && named(found[1], data);
    if (!column) {
      const inside = data.texts;
      tests.push(k => inside[k].includes(word));
      if (found && !data.texts.some(text => text.includes(word))) unknown.push(found[1]);
      continue;
    }
    const [, , sign, value] = found, limit = numberOf(value);
    const right = x => typeof x === "number" && !Number.isNaN(limit)
      ? {"=": x === limit, ">": x > limit, "<": x < limit, ">=": x >= limit, "<=": x <= limit}[sign]
      : sign === "=" && String(x).toLowerCase() === value;
    tests.push(k => right(column[k]));
  }
  return {holds: k => tests.every(test => test(k)), unknown};
}

function numberOf(word) {
  const infinite = {inf: Infinity, "+inf": Infinity, "-inf": -Infinity, "∞": Infinity}[word];
  return infinite ?? (word === "" ? NaN : Number(word));
}

function named(word, data) {
  const axis = data.axes.find(a => [a.name, a.path].some(x => x.toLowerCase() === word));
  if (axis) return axis.at;
  const numbers = {exponent: "exponent", gamma: "exponent", theory: "theory",
    n_balance: "balance", seconds: "seconds", z: "z",
    deviation: "deviation", replicates: "replicates", verdict: "verdict", regime: "regime",
    sampler: "sampler"};
  return word in numbers ? data.points[numbers[word]] : undefined;
}

function makeTable(data) {
  const points = data.points;
  const table = document.getElementById("verdict-table"), body = table.tBodies[0];
  const state = {query: "", verdicts: new Set(), sort: "verdict", down: false, page: 0, marked: null};
  points.sampler = points.how.map(k => data.how[k].find(([name]) => name === "sampler")[1]
    .split(":")[0]);
  data.texts = points.label.map((label, k) =>
    `${label} ${points.sampler[k]} ${points.regime[k]} ${points.verdict[k]} ${points.key[k]}`
      .toLowerCase());
  const rank = points.verdict.map(v => data.verdicts.indexOf(v));
  const severity = points.z.map(z => Number.isNaN(z) ? -1 : z);
  const worst = [...rank.keys()].sort((a, b) => rank[a] - rank[b] || severity[b] - severity[a]);
  let order = worst;

  const heads = COLUMNS.map(([name, key, , text]) => {
    const button = element("button", {type: "button", onclick: () => {
      state.down = state.sort === key && !state.down;
      state.sort = key;
      heads.forEach(h => h.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      state.page = 0;
      arrange();
    }}, name);
    const head = element("th", {scope: "col", class: text ? "text" : null,
      "aria-sort": key === state.sort ? "ascending" : null}, button,
      element("span", {class: "on-paper"}, name));
    return head;
  });
  table.tHead.rows[0].append(...heads);

  function arrange() {
    const query = asks(state.query, data);
    const help = document.getElementById("query-help");
    help.textContent = query.unknown.length ? `no axis or column is called ${query.unknown[0]}`
      : example(data);
    order = worst.filter(k => query.holds(k)
      && (!state.verdicts.size || state.verdicts.has(points.verdict[k])));
    if (state.sort === "verdict") {
      if (state.down) order.reverse();
    } else {
      const column = points[state.sort], sign = state.down ? -1 : 1;
      order.sort((a, b) => {
        const x = column[a], y = column[b];
        if (typeof x === "string") return sign * x.localeCompare(y, "en", {numeric: true});
        if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y); // last
        return x === y ? 0 : sign * (x < y ? -1 : 1);
      });
    }
    show();
  }

  function show() {
    const last = Math.max(0, Math.ceil(order.length / ROWS) - 1);
    state.page = Math.min(Math.max(state.page, 0), last);
    const from = state.page * ROWS, part = order.slice(from, from + ROWS);
    body.replaceChildren(...part.map(k => element("tr",
      {id: `row-${k}`, class: k === state.marked ? "marked" : null},
      ...COLUMNS.map(([, key, text, left]) => {
        const words = text(points, k);
        const inside = key === "label" ? element("a", {href: `#point-${k}`}, words)
          : key === "verdict" ? element("span", {class: `verdict ${words}`}, words) : words;
        const kind = key === "label" ? "text name" : left ? "text" : null;
        return element("td", {class: kind}, inside);
      }))));
    turns.forEach(({button, to}) => // a button that is disabled would lose the keyboard's focus
      button.setAttribute("aria-disabled", to(last) === null));
    const count = order.length.toLocaleString("en");
    document.getElementById("which").textContent = order.length
      ? ` ${(from + 1).toLocaleString("en")} to ${(from + part.length).toLocaleString("en")}`
        + ` of ${count}${asked()}`
      : ` no point is like that${asked()}`;
  }

  const turns = [
    ["First", () => state.page === 0 ? null : 0],
    ["Previous", () => state.page === 0 ? null : state.page - 1],
    ["Next", last => state.page === last ? null : state.page + 1],
    ["Last", last => state.page === last ? null : last],
  ].map(([words, to]) => ({to, button: element("button", {type: "button", onclick: () => {
    const page = to(Math.max(0, Math.ceil(order.length / ROWS) - 1));
    if (page === null) return;
    state.page = page;
    show();
  }}, words)}));
  document.getElementById("pages").prepend(...turns.map(turn => turn.button));

  function asked() { // what the shown points were chosen by
    const words = [state.query.trim() && `that hold ${state.query.trim()}`,
      state.verdicts.size && `that are ${[...state.verdicts].join(" or ")}`].filter(Boolean);
    return words.length ? `, ${words.join(" and ")}` : "";
  }

  document.getElementById("search").addEventListener("submit", event => event.preventDefault());
  document.getElementById("query").addEventListener("input", event => {
    state.query = event.target.value;
    state.page = 0;
    arrange();
  });
  for (const button of document.querySelectorAll("#counts button"))
    button.addEventListener("click", () => {
      const verdict = button.dataset.verdict, on = !state.verdicts.delete(verdict);
      if (on) state.verdicts.add(verdict);
      button.setAttribute("aria-pressed", on);
      state.page = 0;
      arrange();
    });
  arrange();

  return {
    neighbours: k => { // of a point in the order that is shown
      const at = order.indexOf(k);
      return at < 0 ? [undefined, undefined] : [order[at - 1], order[at + 1]];
    },
    lead: k => { // to the row of a point, even where the filters hide it
      if (!order.includes(k)) {
        document.getElementById("query").value = state.query = "";
        state.verdicts.clear();
        document.querySelectorAll("#counts button").forEach(b =>
          b.setAttribute("aria-pressed", false));
        arrange();
      }
      state.marked = k;
      state.page = Math.floor(order.indexOf(k) / ROWS);
      show();
      document.getElementById(`row-${k}`).scrollIntoView({block: "center"});
    },
  };
}

function example(data) {
  const axis = data.axes.find(a => a.numeric);
  return axis ? `words, or ${axis.name}>${brief(axis.at.find(x => x !== null) ?? 0)}, z>3 …`
    : "words, or z>3, n_balance<10 …";
}
