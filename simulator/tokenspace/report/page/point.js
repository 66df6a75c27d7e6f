// The page of one point: its verdict, D(n), exponents and z against n, and how it was made.

function makePoint(data, table) {
  const section = document.getElementById("point"), main = document.querySelector("main");
  const points = data.points;
  let curves = null, came = null; // where the reader was in the list
  const title = document.title;

  async function open(k) {
    curves ??= readCurves(data);
    const of = (await curves)(k), [before, after] = table.neighbours(k);
    const link = (to, words) => to === undefined ? "" : element("a", {href: `#point-${to}`}, words);
    const facts = [...data.axes.filter(a => a.at[k] !== null && a.at[k] !== "")
      .map(a => [a.path, typeof a.at[k] === "number" && !Number.isFinite(a.at[k])
        ? brief(a.at[k]) : String(a.at[k])]),
    ["replicates", points.replicates[k].toLocaleString("en")],
    ["n_balance", brief(points.balance[k]) + (Number.isNaN(points.balance_low[k]) ? ""
      : ` (95 %: ${brief(points.balance_low[k])} to ${brief(points.balance_high[k])})`)],
    ["seed", points.seed[k] ?? "-"], ["seconds", brief(points.seconds[k])],
    ...data.how[points.how[k]], ["key", points.key[k]]];
    section.replaceChildren(
      element("nav", {}, element("a", {href: "#verdicts"}, "All points"), link(before, "Previous"),
        link(after, "Next")),
      element("h2", {id: "point-name"}, points.label[k]),
      element("p", {}, element("span", {class: `verdict ${points.verdict[k]}`}, points.verdict[k]),
        ` ${points.reason[k]}`),
      ...(of ? pictures(of) : [element("p", {class: "warning"}, "D(n) of this point is not in "
        + "this file, which would be too large: `tokenspace check --json` and "
        + "`ts.open_results` have it.")]),
      element("h3", {}, "How it was made"),
      element("div", {class: "scroll"}, element("table", {}, ...facts.map(([name, value]) =>
        element("tr", {}, element("th", {scope: "row", class: "text"}, name),
          element("td", {class: "text long"}, value))))));
    section.hidden = false;
    main.hidden = true;
    document.title = `${points.label[k]} - ${title}`;
    window.scrollTo(0, 0);
    section.focus({preventScroll: true});
  }

  function pictures({n, amplitude: a, exponent: e}) {
    const middle = n.slice(1).map((x, k) => Math.sqrt(x * n[k]));
    const list = (x, y, error) => x.map((v, k) => ({x: v, y: y[k], error: error?.[k]}));
    const theory = n.map((x, k) => ({x, y: a.empirical[k] / Math.exp(a.deviation[k])}));
    const slope = middle.map((x, k) => ({x, y: e.empirical[k] - e.deviation[k]}));
    const zA = n.map((x, k) => a.deviation[k] / (a.standard_error[k] / a.empirical[k]));
    const zE = middle.map((x, k) => e.deviation[k] / e.standard_error[k]);
    const drawn = [
      ["D(n) ± s.e.; line: theory", {points: list(n, a.empirical, a.standard_error), line: theory,
        logY: true}],
      ["exponent ± s.e.; line: theory; dashed: 1/2 and 1",
        {points: list(middle, e.empirical, e.standard_error), line: slope, levels: [0.5, 1]}],
      ["z of D(n) and of exponents; dashed: ±2",
        {points: [...list(n, zA), ...list(middle, zE)], levels: [-2, 0, 2]}],
    ];
    const cells = (of, k) => { // no digits beyond the 16 binary ones that this file keeps
      const value = of.empirical[k], error = of.standard_error[k];
      return [toError(value, Math.max(error, 1e-4 * Math.abs(value))), toError(error, error)];
    };
    const rows = n.map((x, k) => [x, ...cells(a, k),
      brief(theory[k].y), shown(zA[k], 2), ...(k < middle.length ? [brief(middle[k]),
        ...cells(e, k), shown(slope[k].y, 4),
        shown(zE[k], 2)] : ["", "", "", "", ""])]);
    const heads = ["n", "D", "± s.e.", "theory", "z", "n", "exponent", "± s.e.", "theory", "z"];
    return [
      element("div", {class: "charts"}, ...drawn.map(([title, what]) => element("figure", {},
        chart({title, label: "n", ...what}), element("figcaption", {}, title)))),
      element("h3", {}, "Every n"),
      element("div", {class: "scroll", role: "region", "aria-label": "Every n", tabindex: "0"},
        element("table", {id: "every-n"},
        element("thead", {}, element("tr", {}, ...heads.map(h => element("th", {scope: "col"}, h)))),
        element("tbody", {}, ...rows.map(cells => element("tr", {},
          ...cells.map(c => element("td", {}, String(c)))))))),
    ];
  }

  function follow() { // the address says which point is open
    const found = /^#point-(\d+)$/.exec(location.hash);
    if (found && Number(found[1]) < data.count) {
      if (section.hidden) came = {height: window.scrollY, focus: document.activeElement};
      return open(Number(found[1]));
    }
    if (!section.hidden) {
      section.hidden = true;
      main.hidden = false;
      document.title = title;
      if (location.hash === "#verdicts" || !location.hash) {
        window.scrollTo(0, came.height);
        came.focus?.focus({preventScroll: true});
      } else document.getElementById(location.hash.slice(1))?.scrollIntoView();
    }
  }
  window.addEventListener("hashchange", follow);
  return follow();
}
