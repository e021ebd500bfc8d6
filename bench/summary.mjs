/** From what was measured to the one object that is printed: medians, ratios to the floors, sizes, noise, the goal. */

import { readFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { createRequire } from "node:module";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { estimate, median, quantile, variation } from "./statistics.mjs";

/** What the product promises: a webhook with one event costs at most so many times the message that it sends. */
const GOAL = { row: "webhook_1", floor: "queue", most: 1.5 };

/** Up to what a run is called quiet, or else usable: how a row varied between rounds, theft, other programs. */
const QUIET = { variation: 0.06, stolen: 0.01, cores_others: 0.25 };
const USABLE = { variation: 0.15, stolen: 0.05, cores_others: 1.5 };

/** @returns {object} see `README.md` for its fields */
export function summarise({ settings, rows, measured, load, starts, folder }) {
  const floors = rows.filter((row) => row.floor).map((row) => row.id);
  const table = rows.map((row) => summaryOf(row, measured, floors));
  return {
    schema: 1,
    settings: { ...settings, requests_per_slot: Object.fromEntries(rows.map((row) => [row.id, row.requests])) },
    environment: environment(),
    rows: table,
    rivals: rows.filter((row) => row.rivals && measured.has(row.rivals)).map((row) => besideRival(row, measured)),
    goal: judged(table, measured),
    sizes: { "index_bg.wasm": sizeOf(join(folder, "index_bg.wasm")), "index.js": sizeOf(join(folder, "index.js")) },
    fresh_starts: starts,
    noise: noise(table, load),
  };
}

function summaryOf({ id, title, floor, messages }, measured, floors) {
  const rounds = measured.get(id);
  const cpu = rounds.map((round) => round.cpu);
  const latencies = rounds.flatMap((round) => round.latencies);
  const ratioTo = (other) => estimate(cpu.map((value, round) => value / measured.get(other)[round].cpu));
  return {
    id,
    title,
    floor,
    ...(messages && { messages }),
    cpu_us: { ...estimate(cpu), variation: variation(cpu), rounds: cpu },
    ratios: Object.fromEntries(floors.map((other) => [other, ratioTo(other)])),
    requests_per_second: median(rounds.map((round) => round.rate)),
    latency_ms: { p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) },
  };
}

/** How many times the rival's CPU Enishi needs for the same. */
function besideRival({ id, rivals }, measured) {
  const theirs = measured.get(id);
  return { row: rivals, rival: id, ...estimate(measured.get(rivals).map(({ cpu }, round) => cpu / theirs[round].cpu)) };
}

/** The goal counts as met, or missed, only if the whole interval says so; nothing if its row was not measured. */
function judged(table, measured) {
  if (!measured.has(GOAL.row)) return null;
  const ratio = table.find((row) => row.id === GOAL.row).ratios[GOAL.floor];
  const above = measured.get(GOAL.row).map((round, index) => round.cpu - measured.get(GOAL.floor)[index].cpu);
  const verdict = ratio.high <= GOAL.most ? "met" : ratio.low > GOAL.most ? "missed" : "undecided";
  return { ...GOAL, ...ratio, verdict, above_us: estimate(above) };
}

function sizeOf(path) {
  const bytes = readFileSync(path);
  return { raw: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length };
}

/** The variation of the median row counts, because the shortest requests vary also on an idle machine. */
function noise(table, load) {
  const of = (rows) => rows.map((row) => row.cpu_us.variation);
  const idle = Math.max(...of(table.filter((row) => row.id.startsWith("nothing"))));
  const seen = { variation: median(of(table)), variation_of_nothing: idle, ...load };
  const within = (limits) => Object.entries(limits).every(([name, most]) => seen[name] <= most);
  const verdict = within(QUIET) ? "quiet" : within(USABLE) ? "usable" : "noisy";
  return { verdict, ...seen };
}

function environment() {
  const require = createRequire(import.meta.resolve("miniflare"));
  const version = (name) => require(`${name}/package.json`).version;
  const installed = (name) => JSON.parse(readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url))).version;
  const [first] = cpus();
  return {
    cpu: first?.model.trim() ?? "unknown",
    cores: cpus().length,
    kernel: release(),
    node: process.versions.node,
    miniflare: installed("miniflare"),
    workerd: version("workerd"),
    oidc_provider: installed("oidc-provider"),
  };
}
