/**
 * Load over HTTP: a fixed number of requests over a few connections that stay open, each answer checked. A closed
 * loop: a connection sends its next request once it has its answer.
 */

import { Agent, request as open } from "node:http";

const CONNECTIONS = 8;

/**
 * One kind of request and the status that answers it.
 *
 * @typedef {object} Asked
 * @property {string} [method]
 * @property {string} path
 * @property {Record<string, string>} [headers]
 * @property {string} [body]
 * @property {number} status
 */

export class Load {
  #agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  #url;
  #asked;

  /**
   * @param {URL} url  where the worker listens
   * @param {Asked} asked
   */
  constructor(url, asked) {
    this.#url = url;
    this.#asked = asked;
  }

  /** Sends requests and waits for all answers. @returns {Promise<{seconds: number, latencies: number[]}>} in ms */
  async send(count) {
    const latencies = [];
    let left = count;
    const began = performance.now();
    const connection = async () => {
      while (left > 0) {
        left -= 1;
        const sent = performance.now();
        await this.one();
        latencies.push(performance.now() - sent);
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, connection));
    return { seconds: (performance.now() - began) / 1000, latencies };
  }

  /** Sends one request. @returns {Promise<{headers: object, body: string}>} */
  async one() {
    const answer = await ask(this.#url, this.#asked, this.#agent);
    if (answer.status !== this.#asked.status) {
      throw new Error(`${this.#asked.path} answered ${answer.status} instead of ${this.#asked.status}: ${answer.body.slice(0, 500)}`);
    }
    return answer;
  }

  close() {
    this.#agent.destroy();
  }
}

/** One request, addressed to `localhost` as Enishi's account is. */
function ask(url, { method = "GET", path, headers, body }, agent) {
  return new Promise((answered, failed) => {
    const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
    const options = { host: url.hostname, port: url.port, method, path, agent, headers: { host: "localhost", ...headers, ...length } };
    const request = open(options, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", failed);
      response.on("end", () => answered({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString() }));
    });
    request.on("error", failed);
    request.end(body);
  });
}
