/**
 * Fresh starts: how long until a worker whose process just began has answered for the first time.
 *
 * Wall-clock time until the first answer contains miniflare's own start, the same for all; the CPU time of the process
 * until then and the difference to the Rust worker that does nothing are what tells. The first answer of Enishi reads
 * the account from D1 and opens its secrets.
 */

import { Load } from "./load.mjs";
import { median } from "./statistics.mjs";
import { usedByNow } from "./cpu.mjs";
import { copyOfState } from "./worker.mjs";

/**
 * Starts each worker so many times, in turns.
 *
 * @param {import("./rows.mjs").Row[]} rows
 * @param {number} times
 * @param {string} state  the prepared state
 * @returns {Promise<object[]>} medians, in milliseconds
 */
export async function freshStarts(rows, times, state) {
  const copy = copyOfState(state, "start");
  const seen = new Map(rows.map((row) => [row, []]));
  for (let turn = 0; turn < times; turn += 1) {
    for (const row of rows) seen.get(row).push(await freshStart(row, row.stateful ? copy : undefined));
  }
  return rows.map((row) => {
    const of = (name) => median(seen.get(row).map((start) => start[name]));
    return { id: row.id, title: row.title, times, until_answer: of("untilAnswer"), cpu_until_answer: of("cpu"), first: of("first"), second: of("second") };
  });
}

async function freshStart(row, state) {
  const began = performance.now();
  const worker = await row.start(state);
  const load = new Load(worker.url, row.asked);
  try {
    const ready = performance.now();
    const answer = await load.one();
    const first = performance.now();
    const cpu = usedByNow(worker.pid) / 1000;
    const again = performance.now();
    await load.one();
    const second = performance.now() - again;
    row.check(answer);
    return { untilAnswer: first - began, first: first - ready, second, cpu };
  } finally {
    await worker.stop();
  }
}
