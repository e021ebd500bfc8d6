/**
 * The built worker in a workerd of the test's own, with D1 and queues as `wrangler.toml` has them and one account: what a test
 * leaves there, and in what groups the queue hands it over, is nobody else's.
 */

import assert from "node:assert/strict";
import { createHmac, hkdfSync, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { dirname, join } from "node:path";

import { Miniflare } from "miniflare";

import { statements } from "../migrations.mjs";

/** Where the build and the configuration of the running stack lie: copies that nobody changes meanwhile. */
const PLACE = dirname(process.env.ENISHI_DEMO);
const BUILD = join(PLACE, "build");
const CONFIG = JSON.parse(readFileSync(join(PLACE, "wrangler.json"), "utf8"));
const RECORDER = readFileSync(new URL("recorder.mjs", import.meta.url), "utf8");

const WEBHOOKS = "enishi-webhooks";
/** Nobody listens there. */
const LINE = "http://127.0.0.1:9";
const CONNECTIONS = 16;

export class Workerd {
  #miniflare;
  #url;
  #agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  #secret = randomBytes(16).toString("hex");
  #apiKey;

  constructor(miniflare, url) {
    this.#miniflare = miniflare;
    this.#url = url;
    /** The account's bot: every delivery's `destination`. */
    this.bot = `U${randomBytes(16).toString("hex")}`;
  }

  /**
   * Starts it with an account at `localhost`, whose configuration the isolate then knows.
   *
   * @param {{patience?: number, line?: string}} [differences]  how many seconds the queue waits for a fuller group of
   *   deliveries; where LINE is, if anywhere
   */
  static async start({ patience, line = LINE } = {}) {
    const master = randomBytes(32);
    const [database] = CONFIG.d1_databases;
    const miniflare = new Miniflare({
      modulesRoot: BUILD,
      modules: [
        { type: "ESModule", path: join(BUILD, "recorder.mjs"), contents: RECORDER },
        { type: "ESModule", path: join(BUILD, "index.js") },
        { type: "CompiledWasm", path: join(BUILD, "index_bg.wasm") },
      ],
      compatibilityDate: CONFIG.compatibility_date,
      cf: false,
      unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
      handleRuntimeStdio(stdout, stderr) {
        stdout.resume();
        stderr.resume();
      },
      bindings: { MASTER_KEY: master.toString("base64url"), LINE_ACCESS_BASE: line, LINE_API_BASE: line, LINE_API_DATA_BASE: line },
      d1Databases: [database.binding],
      kvNamespaces: CONFIG.kv_namespaces.map(({ binding }) => binding),
      queueProducers: Object.fromEntries(CONFIG.queues.producers.map(({ binding, queue }) => [binding, queue])),
      queueConsumers: Object.fromEntries(CONFIG.queues.consumers.map((consumer) => [consumer.queue, consuming(consumer, patience)])),
      ratelimits: Object.fromEntries(CONFIG.ratelimits.map(({ name, namespace_id, simple }) => [name, { namespace_id, simple }])),
    });
    const started = new Workerd(miniflare, await miniflare.unsafeGetDirectURL());
    await started.#fill(database, master);
    return started;
  }

  async #fill({ binding, migrations_dir }, master) {
    const d1 = await this.#miniflare.getD1Database(binding);
    await d1.batch(statements(migrations_dir).map((sql) => d1.prepare(sql)));
    const operator = Buffer.from(hkdfSync("sha256", master, "", "enishi operator api key v1", 32)).toString("base64url");
    const { status, body } = await this.#ask("PUT", "/v1/accounts/localhost", { authorization: `Bearer enishi_op_${operator}`, "content-type": "application/json" }, JSON.stringify({
      name: "一度きり",
      login_channel: { channel_id: "1650000001", credential: { kind: "secret", secret: randomBytes(16).toString("hex") } },
      messaging_channel: { channel_id: "1650000002", secret: this.#secret, bot_user_id: this.bot },
      friend_add: "normal",
      clients: [{ client_id: "shop", client_secret: randomBytes(24).toString("hex"), name: "店", redirect_uris: [`${LINE}/callback`] }],
    }));
    assert.equal(status, 201, body);
    this.#apiKey = JSON.parse(body).api_key;
  }

  /** A call of the shop's backend. @returns {Promise<any>} */
  async api(method, path, content) {
    const { status, body } = await this.#ask(method, path, { authorization: `Bearer ${this.#apiKey}` }, content && JSON.stringify(content));
    assert.ok(status < 300, `${method} ${path}: ${status} ${body}`);
    return body && JSON.parse(body);
  }

  /** LINE's signature of a body. */
  signature(body) {
    return createHmac("sha256", this.#secret).update(body).digest("base64");
  }

  /** Delivers a body as LINE does; answers after how many milliseconds it was acknowledged. */
  async deliver(body) {
    const began = performance.now();
    const { status } = await this.#ask("POST", "/line/webhook", { "content-type": "application/json; charset=utf-8", "x-line-signature": this.signature(body) }, body);
    assert.equal(status, 200);
    return performance.now() - began;
  }

  /** Delivers so many at once, in this order; answers the milliseconds of each. */
  async deliverAll(bodies) {
    const times = [];
    const rest = bodies.values();
    const connection = async () => {
      for (const body of rest) times.push(await this.deliver(body));
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, connection));
    return times;
  }

  /** What the consumers asked of D1 since the last time. @returns {Promise<import("./recorder.mjs").Run[]>} */
  async recorded() {
    return JSON.parse((await this.#ask("GET", "/recorded")).body);
  }

  /** Rows of D1. */
  async rows(sql) {
    const d1 = await this.#miniflare.getD1Database(CONFIG.d1_databases[0].binding);
    return (await d1.prepare(sql).all()).results;
  }

  stop() {
    this.#agent.destroy();
    return this.#miniflare.dispose();
  }

  #ask(method, path, headers, body) {
    return new Promise((answered, failed) => {
      const options = { host: this.#url.hostname, port: this.#url.port, method, path, agent: this.#agent, timeout: 60_000 };
      const sent = request({ ...options, headers: { host: "localhost", ...headers } }, async (answer) => {
        const chunks = [];
        for await (const chunk of answer) chunks.push(chunk);
        answered({ status: answer.statusCode, body: Buffer.concat(chunks).toString() });
      });
      sent.on("timeout", () => sent.destroy(new Error(`${path} does not answer`)));
      sent.on("error", failed);
      sent.end(body);
    });
  }
}

/** A consumer of `wrangler.toml` as miniflare takes it. */
function consuming({ queue, max_batch_size, max_batch_timeout, max_retries, retry_delay, dead_letter_queue }, patience) {
  return {
    maxBatchSize: max_batch_size,
    maxBatchTimeout: queue === WEBHOOKS ? (patience ?? max_batch_timeout) : max_batch_timeout,
    maxRetries: max_retries,
    retryDelay: retry_delay,
    deadLetterQueue: dead_letter_queue,
  };
}
