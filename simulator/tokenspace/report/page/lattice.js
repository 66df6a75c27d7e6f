// The cells of the map: points at the ranks of their values along two axes, and ways between them.

const NEAR = 12; // pixels from which a touch still finds a point
const FULL = 0.25; // share of places with a point from which they are drawn as cells, not as dots

// points: numbers of those that are shown; worse(k, other): which of two in one place is kept.
function lattice(points, x, y, worse) {
  const [across, up] = [x, y].map(axis => axis.distinct.filter(v => v !== null));
  const nx = across.length, ny = up.length;
  const column = new Map(across.map((v, k) => [v, k])), row = new Map(up.map((v, k) => [v, k]));
  const cells = new Map();
  for (const k of points) {
    const cell = row.get(y.at[k]) * nx + column.get(x.at[k]);
    if (!cells.has(cell) || worse(k, cells.get(cell))) cells.set(cell, k);
  }
  const places = [...cells.keys()].map(cell => [cell % nx, Math.floor(cell / nx)]);
  return {cells, nx, ny, across, up, places, dots: cells.size < FULL * nx * ny};
}

// The cell that an arrow key leads to: the next one on the line, else the nearest beyond.
function towards({cells, nx, places}, from, [dx, dy]) {
  if (from === null) return cells.size ? Math.min(...cells.keys()) : null;
  const i = from % nx, j = Math.floor(from / nx);
  let best = null, least = [Infinity, Infinity];
  for (const [a, b] of places) {
    const along = (a - i) * dx + (b - j) * dy, aside = Math.abs((a - i) * dy) + Math.abs((b - j) * dx);
    if (along <= 0) continue;
    const cost = [aside ? 1 : 0, along + aside];
    if (cost[0] < least[0] || (cost[0] === least[0] && cost[1] < least[1])) {
      best = b * nx + a;
      least = cost;
    }
  }
  return best;
}

// Where cells lie in pixels, once the size is known.
function frameOf({nx, ny}, width, height, {left, right, top, bottom}) {
  const w = (width - left - right) / nx, h = (height - top - bottom) / ny;
  const place = (i, j) => [left + (i + 0.5) * w, top + (ny - 1 - j + 0.5) * h];
  return {left, top, w, h, width, place};
}

// The cell at a pixel, or the nearest one that a finger may have meant; null of none.
function cellAt({cells, nx, ny, places}, {left, top, w, h, place}, px, py) {
  const i = Math.floor((px - left) / w), j = ny - 1 - Math.floor((py - top) / h);
  const inside = i >= 0 && i < nx && j >= 0 && j < ny;
  if (inside && cells.has(j * nx + i)) return j * nx + i;
  let best = null, least = NEAR;
  for (const [a, b] of places) {
    const [x, y] = place(a, b), far = Math.hypot(x - px, y - py);
    if (far < least) [best, least] = [b * nx + a, far];
  }
  return best;
}

// The line n = n_balance, where (n + 1) / (n_balance + 1) = 1, by marching over squares of four
// neighbours: that ratio is linear between them in the psi's of equicorrelated tokens. Ends of its
// pieces, in pixels.
function boundaryOf({cells, nx, places}, {place}, over) {
  const at = (i, j) => i < nx && cells.has(j * nx + i) ? over[cells.get(j * nx + i)] - 1 : NaN;
  const pieces = [];
  for (const [i, j] of places) {
    const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]];
    const values = corners.map(c => at(...c)), crossings = [];
    corners.forEach((a, side) => {
      const next = (side + 1) % 4, u = values[side], v = values[next];
      if (!(u < 0 && v >= 0 || v < 0 && u >= 0)) return; // a point on the line is above it
      const t = u / (u - v), p = place(...a), q = place(...corners[next]);
      crossings.push([p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])]);
    });
    for (let c = 0; c + 1 < crossings.length; c += 2) pieces.push([crossings[c], crossings[c + 1]]);
  }
  return pieces;
}
