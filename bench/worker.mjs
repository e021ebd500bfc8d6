/**
 * A worker in a workerd of its own under miniflare, so that its CPU time is that of one process.
 *
 * Requests reach the worker on a socket of its own, past miniflare's entry worker, whose work would be added to the
 * worker's. All workers have the same bindings. The queues have no consumer: what is sent is taken and dropped, so that
 * the process only does what comes before the answer.
 */

import { cpSync } from "node:fs";
import { join } from "node:path";

import { Miniflare } from "miniflare";

import { children, threads } from "./cpu.mjs";

const COMPATIBILITY_DATE = "2026-07-01";

/** A limit that is asked like any other, and lets a benchmark pass. */
const generous = (namespace_id) => ({ namespace_id, simple: { limit: 10_000_000, period: 60 } });

/**
 * What a worker is made of.
 *
 * @typedef {object} Made
 * @property {string} folder  with `index.js`, and `index_bg.wasm` if it is of Rust
 * @property {Record<string, string>} vars
 */

export class Worker {
  #miniflare;

  constructor(miniflare, url, pid) {
    this.#miniflare = miniflare;
    /** Where the worker listens. */
    this.url = url;
    /** The process id of its workerd. */
    this.pid = pid;
  }

  /**
   * Starts a worker; resolves once it listens.
   *
   * @param {Made} made
   * @param {string} [state]  a folder that holds D1 and KV; otherwise they are empty and forgotten
   */
  static async start({ folder, vars }, state) {
    const before = children();
    const errors = [];
    const miniflare = new Miniflare({
      modules: true,
      modulesRoot: folder,
      scriptPath: join(folder, "index.js"),
      modulesRules: [
        { type: "ESModule", include: ["**/*.js"] },
        { type: "CompiledWasm", include: ["**/*.wasm"] },
      ],
      compatibilityDate: COMPATIBILITY_DATE,
      cf: false,
      unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
      handleRuntimeStdio(stdout, stderr) {
        stdout.resume();
        stderr.on("data", (chunk) => errors.push(chunk) > 20 && errors.shift());
      },
      bindings: vars,
      d1Databases: ["DB"],
      kvNamespaces: ["KV"],
      queueProducers: {
        WEBHOOKS: "enishi-webhooks",
        SENDS: "enishi-sends",
        OUTBOX: "enishi-outbox",
        RELAYS: "enishi-relays",
      },
      ratelimits: { CLIENT_REQUESTS: generous("1001"), CLIENT_FAILURES: generous("1002") },
      ...(state && { d1Persist: join(state, "d1"), kvPersist: join(state, "kv") }),
    });
    try {
      const url = await miniflare.unsafeGetDirectURL();
      const [pid, ...others] = children().filter((child) => !before.includes(child));
      if (pid === undefined || others.length > 0) throw new Error("miniflare did not start exactly one process");
      return new Worker(miniflare, url, pid);
    } catch (error) {
      await miniflare.dispose();
      throw new Error(`${folder} does not start: ${Buffer.concat(errors.map(Buffer.from))}`, { cause: error });
    }
  }

  /** Its CPU time so far; see `cpu.mjs`. */
  used() {
    return threads(this.pid);
  }

  /** Its D1. @returns {Promise<import("@cloudflare/workers-types").D1Database>} */
  database() {
    return this.#miniflare.getD1Database("DB");
  }

  stop() {
    return this.#miniflare.dispose();
  }
}

/** A copy of a state folder, because two workerds cannot share one. @returns {string} */
export function copyOfState(state, name) {
  const copy = `${state}-${name}`;
  cpSync(state, copy, { recursive: true });
  return copy;
}
