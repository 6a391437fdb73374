// Runs in the page: draws the curves of report_page.ts with uPlot.
(() => {
  const runs = JSON.parse(document.getElementById("data").textContent);
  const place = document.getElementById("charts");
  const byField = document.getElementById("x");
  const logField = document.getElementById("log");
  const COLORS = [
    "#2f6fde",
    "#d9541e",
    "#2a9d55",
    "#9b4fd1",
    "#c2185b",
    "#00838f",
    "#8d6e00",
    "#5d6d7e",
  ];
  const compact = new Intl.NumberFormat("en", {
    notation: "compact",
    maximumSignificantDigits: 4,
  });
  const short = (value) =>
    value === null || value === undefined
      ? "–"
      : Math.abs(value) < 1e-2 && value !== 0
      ? value.toExponential(1)
      : compact.format(value);

  /** Of a logarithmic axis, not every tick has one. */
  const label = (tick) => tick === null ? "" : short(tick);

  const CHARTS = [
    { title: "loss", of: [["steps", "trainLoss"], ["evals", "valLoss"]] },
    { title: "bits per byte", of: [["evals", "valBpb"]] },
    { title: "learning rate", of: [["steps", "lr"]] },
    { title: "gradient norm", of: [["steps", "gradNorm"]] },
    { title: "tokens per second", of: [["steps", "tokensPerSec"]] },
    { title: "CPU, percent", of: [["steps", "cpuPct"]] },
    { title: "memory, bytes", of: [["steps", "rssBytes"]] },
    { title: "GPU, percent", of: [["steps", "gpuUtilPct"]] },
    { title: "GPU memory, bytes", of: [["steps", "vramUsedBytes"]] },
    { title: "power, watts", of: [["steps", "powerW"]] },
    { title: "temperature, °C", of: [["steps", "tempC"]] },
  ];

  /** The curves of a chart that have points, with what they are called. */
  function curvesOf(chart, by) {
    return runs.flatMap((run, i) =>
      chart.of.flatMap(([table, name]) => {
        const x = run[table][by], y = run[table][name];
        if (!x || !y) return [];
        // Times and tokens can repeat after a resume, uPlot wants them rising.
        const order = [...x.keys()].sort((a, b) => x[a] - x[b]);
        const kept = order.filter((at, k) =>
          k === 0 || x[at] > x[order[k - 1]]
        );
        return [{
          label: (runs.length > 1 ? `${run.runId} ` : "") + name,
          data: [kept.map((at) => x[at]), kept.map((at) => y[at])],
          color: COLORS[i % COLORS.length],
          isEval: table === "evals",
        }];
      })
    );
  }

  function draw() {
    place.replaceChildren();
    const by = byField.value;
    const style = getComputedStyle(document.body);
    const axis = {
      stroke: style.color,
      grid: { stroke: style.getPropertyValue("--line"), width: 1 },
      ticks: { stroke: style.getPropertyValue("--line"), width: 1 },
    };
    for (const chart of CHARTS) {
      const curves = curvesOf(chart, by);
      if (curves.length === 0) continue;
      const box = document.createElement("div");
      box.className = "chart";
      place.append(box);
      const isLog = chart.title === "loss" && logField.checked;
      new uPlot(
        {
          title: chart.title,
          width: box.clientWidth,
          height: 260,
          scales: { x: { time: false }, y: isLog ? { distr: 3 } : {} },
          axes: [
            { ...axis, values: (_, ticks) => ticks.map(label) },
            { ...axis, size: 64, values: (_, ticks) => ticks.map(label) },
          ],
          series: [
            { label: by, value: (_, value) => short(value) },
            ...curves.map(({ label, color, isEval }) => ({
              label,
              stroke: color,
              width: isEval ? 2 : 1,
              dash: isEval && chart.of.length > 1 ? [6, 4] : undefined,
              points: { show: isEval },
              spanGaps: true,
              value: (_, value) => short(value),
            })),
          ],
        },
        uPlot.join(curves.map(({ data }) => data)),
        box,
      );
    }
  }

  byField.addEventListener("change", draw);
  logField.addEventListener("change", draw);
  let pending = 0;
  addEventListener("resize", () => {
    clearTimeout(pending);
    pending = setTimeout(draw, 150);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
})();
