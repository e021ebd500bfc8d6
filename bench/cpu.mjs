/**
 * CPU time as the Linux kernel counts it: of one process with all its threads, and of the machine.
 *
 * A process is read thread by thread from `schedstat`, which counts nanoseconds; `stat` counts ticks of 10 ms, too
 * coarse for a slot of half a second. Where the kernel has no `schedstat`, ticks have to do.
 */

import { readFileSync, readdirSync } from "node:fs";

/** Ticks per second of `/proc/{pid}/stat`; the same on every Linux that Node runs on. */
const TICKS = 100;

/** The processes that this one started and that still run. @returns {number[]} */
export function children() {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => statOf(pid)?.[1] === String(process.pid))
    .map(Number);
}

/**
 * What a process has used so far, thread by thread. Subtract with {@link usedSince}.
 *
 * @param {number} pid
 * @returns {Map<string, number>} microseconds
 */
export function threads(pid) {
  const used = new Map();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const text = read(`/proc/${pid}/task/${thread}/schedstat`);
    if (text !== undefined) used.set(thread, Number(text.split(" ")[0]) / 1000);
  }
  if (used.size > 0) return used;
  const fields = statOf(pid);
  if (!fields) throw new Error(`the process ${pid} is gone`);
  return new Map([["all", ((Number(fields[11]) + Number(fields[12])) / TICKS) * 1e6]]);
}

/** Microseconds of CPU between two readings of {@link threads}. */
export function usedSince(before, after) {
  let used = 0;
  for (const [thread, now] of after) used += Math.max(0, now - (before.get(thread) ?? 0));
  return used;
}

/** Microseconds of CPU that a process has used in its life. */
export const usedByNow = (pid) => usedSince(new Map(), threads(pid));

/** What the machine's cores did so far, in microseconds: `busy`, `stolen` by the hypervisor, and `all`. */
export function machine() {
  const [, ...numbers] = readFileSync("/proc/stat", "utf8").split("\n")[0].split(/\s+/);
  const [user, nice, system, idle, iowait, irq, softirq, stolen] = numbers.map((ticks) => (Number(ticks) / TICKS) * 1e6);
  const busy = user + nice + system + irq + softirq;
  return { busy, stolen, all: busy + idle + iowait + stolen };
}

/** The fields of a process's `stat` after its name, which may contain spaces. */
function statOf(pid) {
  return read(`/proc/${pid}/stat`)?.split(") ").pop().split(" ");
}

/** A file's text; nothing if the process or thread just ended. */
function read(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
