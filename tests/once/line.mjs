/**
 * LINE's side of a send, as far as the documents say: retry keys for a day, 500 recipients, 200 calls a second by a token
 * bucket, the month's quota, and a network that loses answers. It counts by itself who was in how many accepted calls.
 */

import { createServer } from "node:http";

const RATE = 200;
const RECIPIENTS = 500;
const RATE_LIMITED = "The API rate limit has been exceeded. Try again later.";
const USED_UP = "You have reached your monthly limit.";

export class Line {
  /** Calls of multicast: when, and what they were answered; null where the answer was lost. */
  calls = [];
  /** How often each was in an accepted call. */
  accepted = new Map();
  violations = [];
  quota = Infinity;
  used = 0;
  /** Of calls of multicast: how many are answered 500, and how many are accepted and never answered. */
  trouble = { errors: 0, lost: 0 };
  #keys = new Map();
  #tokens = RATE;
  #filledAt = performance.now();
  #random;
  #server = createServer((request, answer) => this.#serve(request, answer));

  constructor(seed) {
    // A generator of 32 bits (mulberry32), so that a seed repeats its run as far as time allows.
    let state = seed >>> 0;
    this.#random = () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
  }

  async listen() {
    await new Promise((listening) => this.#server.listen(0, "127.0.0.1", listening));
    this.url = `http://127.0.0.1:${this.#server.address().port}`;
    return this;
  }

  close() {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #serve(request, answer) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const reply = (status, object) => {
      answer.writeHead(status, { "content-type": "application/json", "x-line-request-id": `r${this.calls.length}` });
      answer.end(JSON.stringify(object));
    };
    switch (new URL(request.url, "http://line").pathname) {
      case "/oauth2/v3/token":
        return reply(200, { access_token: "t", token_type: "Bearer", expires_in: 900 });
      case "/v2/bot/message/validate/multicast":
        return reply(200, {});
      case "/v2/bot/message/quota":
        return reply(200, this.quota === Infinity ? { type: "none" } : { type: "limited", value: this.quota });
      case "/v2/bot/message/quota/consumption":
        return reply(200, { totalUsage: this.used });
      case "/v2/bot/message/multicast": {
        const [status, object] = this.#multicast(request.headers["x-line-retry-key"], body);
        this.calls.push({ at: performance.now(), status });
        if (status === null) return answer.destroy();
        return reply(status, object);
      }
      default:
        this.violations.push(`${request.method} ${request.url}`);
        return reply(404, { message: "Not found" });
    }
  }

  /** The answer; a status of null is one that is lost. */
  #multicast(key, body) {
    if (!this.#mayPass()) return [429, { message: RATE_LIMITED }];
    if (this.#random() < this.trouble.errors) return [500, { message: "Internal server error" }];
    if (!/^[0-9a-f-]{36}$/.test(key ?? "")) this.violations.push(`retry key ${key}`);
    const known = this.#keys.get(key);
    if (known && known.body !== body) this.violations.push(`${key} came with another body`);
    if (known?.accepted) return [409, { message: "The retry key is already accepted" }];
    const { to } = JSON.parse(body);
    if (!(to.length >= 1 && to.length <= RECIPIENTS)) this.violations.push(`${to.length} recipients`);
    if (this.used + to.length > this.quota) {
      this.violations.push("the quota does not cover it");
      return [429, { message: USED_UP }];
    }
    this.used += to.length;
    this.#keys.set(key, { body, accepted: true });
    for (const user of to) this.accepted.set(user, (this.accepted.get(user) ?? 0) + 1);
    return [this.#random() < this.trouble.lost ? null : 200, {}];
  }

  #mayPass() {
    const now = performance.now();
    this.#tokens = Math.min(RATE, this.#tokens + ((now - this.#filledAt) / 1000) * RATE);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
