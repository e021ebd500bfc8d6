/**
 * Interleaved rounds: in each, the rows take turns in short slots, there and back again (A B C C B A A B C …), so that
 * neighbours that come and go slow all rows alike. The first round is thrown away.
 */

import { setTimeout as pause } from "node:timers/promises";

import { machine, usedSince } from "./cpu.mjs";
import { Load } from "./load.mjs";
import { copyOfState } from "./worker.mjs";

/** How often a round goes through the rows; even, so that it goes back as often as there. */
const PASSES = 8;

/** What follows an answer, such as a write in the background, belongs to the slot. */
const AFTERMATH = 10;

/**
 * What a row did in one round.
 *
 * @typedef {{cpu: number, rate: number, latencies: number[]}} Measured  CPU µs per request, requests per second, ms; of a
 * consumer per message, messages per second, and ms of its group
 */

/**
 * @param {import("./rows.mjs").Row[]} rows
 * @param {number} count  of rounds that are kept
 * @param {string} state  the prepared state
 * @param {(text: string) => void} say  told of progress
 * @returns {Promise<{measured: Map<string, Measured[]>, load: object}>} by row id, and what else the machine did
 */
export async function measure(rows, count, state, say) {
  const subjects = [];
  try {
    for (const row of rows) subjects.push(await begin(row, state));
    for (const subject of subjects) {
      say(`warming up: ${subject.row.title}`);
      for (let slot = 0; slot < subject.row.warmUp; slot += 1) await oneSlot(subject);
    }
    const measured = new Map(rows.map(({ id }) => [id, []]));
    let before;
    for (let round = 0; round <= count; round += 1) {
      if (round === 1) before = reading(subjects);
      say(round === 0 ? "a round to be thrown away" : `round ${round} of ${count}`);
      for (const [subject, result] of await oneRound(subjects)) {
        if (round > 0) measured.get(subject.row.id).push(result);
      }
    }
    const load = between(before, reading(subjects));
    for (const subject of subjects) await inTheNameOf(subject.row, () => assertApplied(subject));
    return { measured, load };
  } finally {
    for (const { worker } of subjects) await worker.stop();
  }
}

async function begin(row, state) {
  return inTheNameOf(row, async () => {
    const worker = await row.start(row.stateful ? copyOfState(state, row.id) : undefined);
    const load = new Load(worker.url, row.asked);
    try {
      row.check(await load.one());
    } catch (error) {
      await worker.stop();
      throw error;
    }
    return { row, worker, load, sent: 1 };
  });
}

/** What a consumer acknowledged has happened, all of it. */
async function assertApplied({ row, worker, sent }) {
  if (!row.applied) return;
  const { applied } = await (await worker.database()).prepare(row.applied).first();
  if (applied !== sent * row.messages) throw new Error(`${applied} of ${sent * row.messages} messages are applied`);
}

/** @returns {Promise<Map<object, Measured>>} */
async function oneRound(subjects) {
  const slots = new Map(subjects.map((subject) => [subject, []]));
  for (let pass = 0; pass < PASSES; pass += 1) {
    for (const subject of pass % 2 === 0 ? subjects : subjects.toReversed()) slots.get(subject).push(await oneSlot(subject));
  }
  return new Map([...slots].map(([subject, taken]) => [subject, together(taken, subject.row)]));
}

/** CPU in µs. What a worker does to supply the requests comes before. */
function oneSlot(subject) {
  const { row, worker, load } = subject;
  return inTheNameOf(row, async () => {
    if (await load.ready(row.requests)) await pause(AFTERMATH);
    const before = worker.used();
    const { seconds, answers } = await load.send();
    subject.sent += answers.length;
    await pause(AFTERMATH);
    return { cpu: usedSince(before, worker.used()), seconds, latencies: answers.map(({ took }) => took) };
  });
}

/** Whatever fails says which row it was. */
async function inTheNameOf(row, work) {
  try {
    return await work();
  } catch (error) {
    throw new Error(`the row "${row.title}" cannot be measured`, { cause: error });
  }
}

/** @returns {Measured} */
function together(slots, { title, requests, messages = 1 }) {
  const sum = (name) => slots.reduce((total, slot) => total + slot[name], 0);
  const all = slots.length * requests * messages;
  if (slots.some(({ latencies }) => latencies.length !== requests)) throw new Error(`the row "${title}" sent too few requests`);
  if (!(sum("cpu") > 0)) throw new Error(`the row "${title}" has no CPU time`);
  return { cpu: sum("cpu") / all, rate: all / sum("seconds"), latencies: slots.flatMap((slot) => slot.latencies) };
}

/** The CPU time of the machine, and that of the benchmark within it. */
function reading(subjects) {
  const own = process.cpuUsage();
  const workers = subjects.map(({ worker }) => usedSince(new Map(), worker.used()));
  return { ...machine(), own: workers.reduce((sum, used) => sum + used, own.user + own.system), at: performance.now() };
}

/** Between two readings: cores busy with the benchmark and with others, and the share that was stolen. */
function between(before, after) {
  const wall = (after.at - before.at) * 1000;
  const own = (after.own - before.own) / wall;
  const others = Math.max(0, (after.busy - before.busy) / wall - own);
  return { seconds: wall / 1e6, cores_own: own, cores_others: others, stolen: (after.stolen - before.stolen) / (after.all - before.all) };
}
