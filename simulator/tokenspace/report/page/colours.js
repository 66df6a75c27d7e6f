// Colours of values, and what they mean in words.

const COLOURED = {
  "exponent at N": {of: p => p.exponent, least: 0} /* few fall far below */,
  "n_balance": {of: p => p.balance, log: true},
  "largest deviation": {of: p => p.deviation, log: true},
  "max |z|": {of: p => p.z},
  verdict: {of: p => p.verdict, words: true},
  regime: {of: p => p.regime, words: true},
};
// Dark to light, even steps of lightness: fit for any eye.
const RAMP = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const WORDS = {PASS: "#2da44e", FAIL: "#cf222e", UNDECIDED: "#d4a72c"};
const MORE = ["#7b3294", "#2c7bb6", "#fdbe6f", "#d7191c", "#5e0b0b", "#888888", "#4dac26", "#b8e186"];
const UNKNOWN = "#bbb";

function ramp(share) {
  const x = Math.min(Math.max(share, 0), 1) * (RAMP.length - 1), k = Math.min(Math.floor(x), 3);
  const mixed = RAMP[k].map((c, i) => Math.round(c + (x - k) * (RAMP[k + 1][i] - c)));
  return `rgb(${mixed.join(",")})`;
}

// values -> {colour: value -> colour, key: elements that explain the colours}
function scale(values, {words, log, least = -Infinity}) {
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
  const low = wide ? Math.max(known[0], middle / 1000) : Math.max(known[0], least);
  const high = wide ? Math.min(known.at(-1), middle * 1000) : Math.max(known.at(-1), low);
  const share = v => high === low ? 0.5
    : wide ? Math.log(v / low) / Math.log(high / low) : (v - low) / (high - low);
  const colour = v => Number.isNaN(v) || (wide && v <= 0) ? UNKNOWN : ramp(share(v));
  if (!known.length) return {colour: () => UNKNOWN, key: [patch(UNKNOWN, "not known")]};
  const key = [1, 0.75, 0.5, 0.25, 0].map(s =>
    patch(ramp(s), brief(wide ? low * (high / low) ** s : low + s * (high - low))));
  if (values.some(v => Number.isNaN(v))) key.push(patch(UNKNOWN, "not known"));
  return {colour, key};
}
