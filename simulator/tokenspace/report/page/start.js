// Everything in its order; whatever goes wrong is said on the page.

(async () => {
  try {
    const data = await readColumns();
    const table = makeTable(data);
    makePhase(data, table.lead);
    await makePoint(data, table);
    document.body.dataset.ready = Math.round(performance.now());
  } catch (error) {
    const trouble = document.getElementById("trouble");
    trouble.textContent = `The data inside this file cannot be shown: ${error.message}`;
    trouble.hidden = false;
    throw error;
  }
})();
