/**
 * A worker in a workerd of its own under miniflare, so that its CPU time is that of one process.
 *
 * Requests reach the worker on a socket of its own, past miniflare's entry worker, whose work would be added to the
 * worker's. All workers have the same bindings. The queues have no consumer: what is sent is taken and dropped, so that
 * the process only does what comes before the answer.
 */

import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { Miniflare } from "miniflare";
import { unstable_readConfig } from "wrangler";

import { children, threads } from "./cpu.mjs";

const COMPATIBILITY_DATE = "2026-07-01";

/** The worker that hands messages to another one's consumer. */
const DRIVER = fileURLToPath(new URL("driver", import.meta.url));

/** Counts what the consumers of a worker's own queues do. */
const COUNTER = fileURLToPath(new URL("counter.js", import.meta.url));

const SUBJECT = "subject";

/** A limit that is asked like any other, and lets a benchmark pass. */
const generous = (namespace_id) => ({ namespace_id, simple: { limit: 10_000_000, period: 60 } });

/**
 * What a worker is made of.
 *
 * @typedef {object} Made
 * @property {string} folder  with `index.js`, and `index_bg.wasm` if it is of Rust
 * @property {Record<string, string>} vars
 * @property {boolean} [consumes]  whether requests are groups of messages for its consumer; see `driver/`
 * @property {boolean} [works]  whether it works through its queues itself, as `wrangler.toml` has them; see `counter.js`
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
  static async start({ folder, vars, consumes, works }, state) {
    const before = children();
    const errors = [];
    const subject = {
      name: SUBJECT,
      ...(works ? counted(folder) : modules(folder)),
      ...(works && { queueConsumers: consumers() }),
      bindings: vars,
      d1Databases: ["DB"],
      kvNamespaces: ["KV"],
      queueProducers: {
        WEBHOOKS: "enishi-webhooks",
        SENDS: "enishi-sends",
        OUTBOX: "enishi-outbox",
        STEPS: "enishi-steps",
        RELAYS: "enishi-relays",
      },
      ratelimits: { CLIENT_REQUESTS: generous("1001"), CLIENT_FAILURES: generous("1002") },
    };
    // `queue()` between workers is how miniflare's own broker hands a group over.
    const driver = {
      name: "driver",
      ...modules(DRIVER),
      compatibilityFlags: ["experimental", "service_binding_extra_handlers"],
      serviceBindings: { CONSUMER: SUBJECT },
    };
    const [first, ...others] = consumes ? [driver, subject] : [subject];
    const miniflare = new Miniflare({
      cf: false,
      handleRuntimeStdio(stdout, stderr) {
        stdout.resume();
        stderr.on("data", (chunk) => errors.push(chunk) > 20 && errors.shift());
      },
      ...(state && { d1Persist: join(state, "d1"), kvPersist: join(state, "kv") }),
      workers: [{ ...first, unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }] }, ...others],
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
    return this.#miniflare.getD1Database("DB", SUBJECT);
  }

  stop() {
    return this.#miniflare.dispose();
  }
}

/** A folder's worker with the counter around it. */
function counted(folder) {
  const module = (type, name, contents) => ({ type, path: join(folder, name), ...(contents && { contents }) });
  return {
    modulesRoot: folder,
    modules: [
      module("ESModule", "counter.js", readFileSync(COUNTER, "utf8")),
      module("ESModule", "index.js"),
      module("CompiledWasm", "index_bg.wasm"),
    ],
    compatibilityDate: COMPATIBILITY_DATE,
  };
}

/** The consumers of `wrangler.toml`. */
function consumers() {
  const { queues } = unstable_readConfig({ config: fileURLToPath(new URL("../wrangler.toml", import.meta.url)) });
  const as = ({ max_batch_size, max_batch_timeout, max_retries, retry_delay, dead_letter_queue }) => ({
    maxBatchSize: max_batch_size,
    maxBatchTimeout: max_batch_timeout,
    maxRetries: max_retries,
    retryDelay: retry_delay,
    deadLetterQueue: dead_letter_queue,
  });
  return Object.fromEntries(queues.consumers.map((consumer) => [consumer.queue, as(consumer)]));
}

/** A folder's worker as miniflare takes it. */
function modules(folder) {
  return {
    modules: true,
    modulesRoot: folder,
    scriptPath: join(folder, "index.js"),
    modulesRules: [
      { type: "ESModule", include: ["**/*.js"] },
      { type: "CompiledWasm", include: ["**/*.wasm"] },
    ],
    compatibilityDate: COMPATIBILITY_DATE,
  };
}

/** A copy of a state folder, because two workerds cannot share one. @returns {string} */
export function copyOfState(state, name) {
  const copy = `${state}-${name}`;
  cpSync(state, copy, { recursive: true });
  return copy;
}
