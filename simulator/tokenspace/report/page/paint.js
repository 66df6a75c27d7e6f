// The map on its canvas: cells or dots in their colours, the boundary, the cell that is chosen.

const MARGIN = {left: 84, right: 8, top: 8, bottom: 40}; // for the numbers and names of the axes
const FONT = "11px system-ui, sans-serif";
const ON_PAPER = {ink: "#000", ratio: 3}; // whatever the screen's colours and pixels are

// Returns where cells lie and whether the boundary is crossed.
function paint(canvas, grid, {x, y, colour, over, chosen, paper}) {
  const {cells, nx, ny, places, dots} = grid;
  const room = document.querySelector("main").clientWidth || document.body.clientWidth; // 0: hidden
  const width = Math.min(640, Math.max(room - 8, 200));
  const height = Math.round(width * 0.72);
  const style = {ink: getComputedStyle(document.body).color, ratio: window.devicePixelRatio || 1};
  const {ink, ratio} = paper ? ON_PAPER : style;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  canvas.style.width = `${width}px`;
  const to = canvas.getContext("2d"), frame = frameOf(grid, width, height, MARGIN);
  const {left, top, w, h, place} = frame;
  to.scale(ratio, ratio);
  for (const [i, j] of places) {
    to.fillStyle = colour(cells.get(j * nx + i));
    const [px, py] = place(i, j);
    if (!dots) to.fillRect(px - w / 2, py - h / 2, w + 0.5, h + 0.5);
    else {
      to.beginPath();
      to.arc(px, py, 3.5, 0, 2 * Math.PI);
      to.fill();
    }
  }
  const line = boundaryOf(grid, frame, over);
  to.beginPath();
  for (const [from, end] of line) {
    to.moveTo(...from);
    to.lineTo(...end);
  }
  outlined(to, 1.8, () => to.stroke());
  if (chosen !== null && cells.has(chosen)) {
    const [px, py] = place(chosen % nx, Math.floor(chosen / nx));
    const a = dots ? 10 : Math.max(w, 6), b = dots ? 10 : Math.max(h, 6);
    outlined(to, 2, () => to.strokeRect(px - a / 2, py - b / 2, a, b));
  }
  to.fillStyle = ink;
  to.font = FONT;
  const some = (count, most) => [...Array(count).keys()].filter(k =>
    k % Math.ceil(count / most) === 0);
  to.textAlign = "center";
  for (const i of some(nx, width < 450 ? 4 : 8))
    to.fillText(brief(grid.across[i]), place(i, 0)[0], top + ny * h + 14);
  to.fillText(x.name, left + nx * w / 2, top + ny * h + 30);
  to.textAlign = "right";
  for (const j of some(ny, 8)) to.fillText(brief(grid.up[j]), left - 4, place(0, j)[1] + 4);
  to.translate(12, top + ny * h / 2);
  to.rotate(-Math.PI / 2);
  to.textAlign = "center";
  to.fillText(y.name, 0, 0);
  return {frame, crossed: line.length > 0};
}

function outlined(to, width, stroke) { // black on white is seen on every colour
  for (const [colour, wide] of [["#fff", width + 2.2], ["#000", width]]) {
    to.strokeStyle = colour;
    to.lineWidth = wide;
    stroke();
  }
}
