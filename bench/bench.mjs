/**
 * The benchmark behind `cargo xtask bench`: what a request costs Enishi, and how many times the least that it could
 * cost. `README.md` says how to read the result.
 *
 * Options: `--json` prints one JSON object instead of tables, `--rounds N` measures in N rounds instead of 15,
 * `--quick` in 3, `--only ID` (again for more) measures these rows and the floors alone. Exits with 1 if a worker or the rival answers wrongly. Listens and calls on loopback only.
 */

import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { prepare } from "./enishi.mjs";
import { buildFloor } from "./floor.mjs";
import { report } from "./report.mjs";
import { measure } from "./rounds.mjs";
import { rows as allRows } from "./rows.mjs";
import { freshStarts } from "./start.mjs";
import { summarise } from "./summary.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const FULL = { rounds: 15, starts: 10 };
const QUICK = { rounds: 3, starts: 3 };
/** The rows whose fresh start is measured. */
const FRESH = ["nothing_js", "nothing_rust", "d1", "authorize"];

const OPTIONS = {
  json: { type: "boolean" },
  quick: { type: "boolean" },
  rounds: { type: "string" },
  only: { type: "string", multiple: true },
};

const say = (text) => process.stderr.write(`${text}\n`);

async function main() {
  const { values } = parseArgs({ options: OPTIONS });
  if (process.platform !== "linux") throw new Error("CPU time is read from /proc: the benchmark runs on Linux only");
  const settings = { ...(values.quick ? QUICK : FULL), ...(values.rounds && { rounds: wholeNumber(values.rounds) }) };
  const run = ownFolder();
  const state = join(run, "state");
  const folders = { enishi: copyOfBuild(process.env.ENISHI_BUILD ?? join(ROOT, "build"), run), floor: buildFloor() };
  say("preparing an account, a link, and a session");
  const prepared = await prepare(folders.enishi, process.env.ENISHI_MIGRATIONS ?? join(ROOT, "migrations"), state);
  const rows = chosen(allRows(folders, prepared), values.only);
  const { measured, load } = await measure(rows, settings.rounds, state, say);
  const fresh = rows.filter((row) => FRESH.includes(row.id));
  say(`${settings.starts} fresh starts of ${fresh.length} workers`);
  const starts = await freshStarts(fresh, settings.starts, state);
  const result = summarise({ settings, rows, measured, load, starts, folder: folders.enishi });
  process.stdout.write(values.json ? `${JSON.stringify(result, undefined, 2)}\n` : report(result));
}

/** The rows of these ids, or all, and the floors that they are compared with. */
function chosen(rows, only) {
  if (only === undefined) return rows;
  const unknown = only.find((id) => !rows.some((row) => row.id === id));
  if (unknown !== undefined) throw new Error(`--only ${unknown}: the rows are ${rows.map(({ id }) => id).join(", ")}`);
  const wanted = rows.filter((row) => only.includes(row.id));
  const consumers = wanted.some((row) => row.messages);
  return rows.filter((row) => wanted.includes(row) || (row.floor && (consumers || !row.messages)));
}

function wholeNumber(text) {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new Error(`--rounds ${text}: a whole number from 1 is needed`);
  return number;
}

/** A folder of this run alone, so that another run does not disturb it; gone when this one ends. */
function ownFolder() {
  const all = join(ROOT, "target/bench");
  mkdirSync(all, { recursive: true });
  const own = mkdtempSync(join(all, "run-"));
  process.on("exit", () => rmSync(own, { recursive: true, force: true, maxRetries: 3 }));
  return own;
}

/** A copy of the built worker, so that a build meanwhile does not change what is measured. */
function copyOfBuild(build, run) {
  const copy = join(run, "enishi");
  mkdirSync(copy);
  for (const file of ["index.js", "index_bg.wasm"]) copyFileSync(join(build, file), join(copy, file));
  return copy;
}

// Miniflare ends its processes when this one exits, and the rival ends by itself.
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(130));

main().catch((error) => {
  say(`error: ${inFull(error)}`);
  process.exit(1);
});

/** An error's message and those of its causes. */
function inFull({ message, code, cause }) {
  return `${message || code}${cause ? `: ${inFull(cause)}` : ""}`;
}
