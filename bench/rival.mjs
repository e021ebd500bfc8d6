/**
 * The rival: npm's `oidc-provider` in a Node process of its own, started and measured as a worker is, and the requests to
 * it. `README.md` says what is unequal.
 */

import { fork } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

import { threads } from "./cpu.mjs";
import * as flow from "./flow.mjs";

const MAIN = fileURLToPath(new URL("rival/main.mjs", import.meta.url));
const SESSION = "benchmark-session-0123456789abcdefghijklmn";
const COOKIE_KEY = "benchmark-cookie-key-0123456789abcdefghijk";

export class Rival {
  #child;

  constructor(child, port) {
    this.#child = child;
    /** Where it listens. */
    this.url = new URL(`http://127.0.0.1:${port}`);
    /** Its process id. */
    this.pid = child.pid;
  }

  /** Starts one that remembers the customer's session and consent; resolves once it listens. */
  static async start() {
    const env = { NODE_ENV: "production", SESSION, COOKIE_KEY };
    const child = fork(MAIN, { env, execArgv: [], stdio: ["ignore", "ignore", "pipe", "ipc"] });
    const errors = [];
    child.stderr.on("data", (chunk) => errors.push(chunk) > 20 && errors.shift());
    const port = await Promise.race([once(child, "message"), once(child, "close")]);
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`oidc-provider does not start: ${Buffer.concat(errors)}`);
    return new Rival(child, port[0]);
  }

  /** Its CPU time so far; see `cpu.mjs`. */
  used() {
    return threads(this.pid);
  }

  async stop() {
    this.#child.kill();
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, "exit");
  }
}

/** Its cookie, signed as its documentation recommends. */
const cookie = `_session=${SESSION}`;
const signature = createHmac("sha1", COOKIE_KEY).update(cookie).digest("base64url");

/** The customer with a session: back to the shop. */
export const authorize = flow.authorize(`${cookie}; _session.sig=${signature}`, 303);

export const token = flow.exchanges(authorize);
