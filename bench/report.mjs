/** The result as text: Markdown tables whose columns are aligned for reading as they are. */

const NAMES = {
  nothing_js: "nothing, JS", nothing_rust: "nothing, Rust", queue: "one message", d1: "one D1 call",
  acked_100: "acknowledged, of 100", acked_1: "acknowledged, alone",
};

/** @param {object} result  of `summary.mjs` */
export function report(result) {
  const { rows, settings, environment, noise } = result;
  const parts = [
    "# Enishi, measured",
    `${environment.cpu}, ${environment.cores} cores, Linux ${environment.kernel}, workerd ${environment.workerd} under miniflare ${environment.miniflare}, oidc-provider ${environment.oidc_provider}, Node ${environment.node}. ` +
      `${settings.rounds} interleaved rounds, medians; [ ] is the 95 % confidence interval of the median.`,
    "## CPU per request of the worker's process",
    costs(rows),
    "## Times the floor's CPU, of the same round",
    ratios(rows.filter((row) => !row.messages && !result.rivals.some(({ rival }) => rival === row.id))),
    ...(rows.some((row) => row.messages) ? [ratios(rows.filter((row) => row.messages), rows.find((row) => row.id === "d1"))] : []),
    ...(result.goal ? [goal(result.goal)] : []),
    ...(result.rivals.length > 0 ? besideRivals(result) : []),
    "## Size",
    sizes(result.sizes),
    `## Fresh workers, ${settings.starts} starts each`,
    starts(result.fresh_starts),
    "## Noise",
    noiseSentence(noise, settings),
  ];
  return `${parts.join("\n\n")}\n`;
}

function costs(rows) {
  const head = ["request", "CPU µs", "95 % CI", "CV", "requests/s", "p50 ms", "p99 ms"];
  return table(head, rows.map(({ title, cpu_us: cpu, requests_per_second: rate, latency_ms: latency }) => [
    title,
    cpu.median.toFixed(0),
    `[${cpu.low.toFixed(0)} – ${cpu.high.toFixed(0)}]`,
    percent(cpu.variation),
    rate.toFixed(0),
    latency.p50.toFixed(1),
    latency.p99.toFixed(1),
  ]));
}

/** Of these rows to the floors among them, and to another one. */
function ratios(rows, beside) {
  const floors = [...rows, beside].filter((row) => row?.floor).map((row) => row.id);
  const head = ["request", ...floors.map((floor) => NAMES[floor])];
  const body = rows.filter((row) => !row.floor || row.id !== floors[0]);
  return table(head, body.map((row) => [row.title, ...floors.map((floor) => (floor === row.id ? "1" : interval(row.ratios[floor])))]));
}

function goal({ most, verdict, above_us, ...ratio }) {
  return `Goal, a webhook with one event ≤ ${most} × one message: ${interval(ratio)}, ${verdict}; ${above_us.median.toFixed(0)} µs more.`;
}

function besideRivals(result) {
  return [
    "## Times oidc-provider's CPU, of the same round",
    rivals(result),
    "Not a race on level ground: `bench/README.md` says what is unequal.",
  ];
}

function rivals({ rows, rivals }) {
  const row = (id) => rows.find((row) => row.id === id);
  const cost = (id) => row(id).cpu_us.median.toFixed(0);
  const head = ["request", "Enishi, CPU µs", "oidc-provider, CPU µs", "Enishi ÷ oidc-provider"];
  return table(head, rivals.map((pair) => [row(pair.row).title, cost(pair.row), cost(pair.rival), interval(pair)]));
}

function sizes(files) {
  const kilo = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
  return table(["file", "raw", "gzip -9"], Object.entries(files).map(([name, { raw, gzip }]) => [name, kilo(raw), kilo(gzip)]));
}

function starts(workers) {
  const head = ["worker", "start to answer, ms", "CPU until then, ms", "first request, ms", "second, ms", "first − second, ms"];
  return table(head, workers.map((worker) => [
    worker.title,
    worker.until_answer.toFixed(0),
    worker.cpu_until_answer.toFixed(0),
    worker.first.toFixed(1),
    worker.second.toFixed(1),
    (worker.first - worker.second).toFixed(1),
  ]));
}

const ADVICE = {
  quiet: "trust the figures",
  usable: "trust the ratios within their intervals, not the microseconds",
  noisy: "measure again on a quieter machine before drawing a conclusion",
};

function noiseSentence(noise, settings) {
  const few = settings.rounds < 15 ? " With so few rounds the intervals are too narrow to be believed." : "";
  return (
    `This run was ${noise.verdict}: between rounds the CPU of a request varied by ${percent(noise.variation)} (CV of the median row; ` +
    `${percent(noise.variation_of_nothing)} at worst for one that does nothing), the hypervisor stole ${percent(noise.stolen)}, ` +
    `and other programs kept ${noise.cores_others.toFixed(1)} cores busy beside the ` +
    `${noise.cores_own.toFixed(1)} of the benchmark, during ${noise.seconds.toFixed(0)} s; ${ADVICE[noise.verdict]}.${few}`
  );
}

const percent = (share) => `${(share * 100).toFixed(1)} %`;
const interval = ({ median, low, high }) => `${median.toFixed(2)} [${low.toFixed(2)} – ${high.toFixed(2)}]`;

/** A Markdown table: the first column to the left, the others to the right. */
export function table(head, body) {
  const all = [head, ...body];
  const widths = head.map((_, column) => Math.max(3, ...all.map((row) => row[column].length)));
  const line = (row) => `| ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join(" | ")} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? `:${"-".repeat(width + 1)}` : `${"-".repeat(width + 1)}:`)).join("|")}|`;
  return [line(head), rule, ...body.map(line)].join("\n");
}
