/** What the benchmarks of growth share: sizes from the command line, a folder for each, tables or JSON at the end. */

import { mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** The folder of the built worker, and that of its migrations. */
export const BUILD = process.env.ENISHI_BUILD ?? join(ROOT, "build");
export const MIGRATIONS = process.env.ENISHI_MIGRATIONS ?? join(ROOT, "migrations");

export const say = (text) => process.stderr.write(`${text}\n`);

/** A folder of one measurement alone. */
export function ownFolder(name) {
  const all = join(ROOT, "target/bench");
  mkdirSync(all, { recursive: true });
  return mkdtempSync(join(all, `${name}-`));
}

/** The most memory that a process has held, in megabytes. */
export function peakMemory(pid) {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;
}

/**
 * Measures one size after another and prints the result: `--size N` (again for more) instead of `sizes`, `--json`.
 *
 * @template T
 * @param {number[]} sizes
 * @param {(size: number) => Promise<T>} measured
 * @param {(results: T[]) => string} report  Markdown
 */
export async function grow(sizes, measured, report) {
  // Miniflare ends its processes when this one exits.
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(130));
  try {
    const { values } = parseArgs({ options: { size: { type: "string", multiple: true }, json: { type: "boolean" } } });
    if (process.platform !== "linux") throw new Error("CPU time is read from /proc: the benchmark runs on Linux only");
    const results = [];
    for (const size of values.size?.map(Number) ?? sizes) results.push(await measured(size));
    process.stdout.write(values.json ? `${JSON.stringify(results, undefined, 2)}\n` : report(results));
  } catch (error) {
    say(`error: ${error.stack}`);
    process.exit(1);
  }
}
