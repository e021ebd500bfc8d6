/**
 * Load over HTTP: a fixed number of requests over a few connections that stay open meanwhile, each answer checked. A closed
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

  /**
   * Sends requests and waits for all answers. The connections are new, because workerd closes one that was idle for
   * 5 s, perhaps just when the next request is on its way.
   *
   * @returns {Promise<{seconds: number, latencies: number[]}>} latencies in ms
   */
  async send(count) {
    const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
    const latencies = [];
    let left = count;
    const began = performance.now();
    const connection = async () => {
      while (left > 0) {
        left -= 1;
        const sent = performance.now();
        await this.one(agent);
        latencies.push(performance.now() - sent);
      }
    };
    try {
      await Promise.all(Array.from({ length: CONNECTIONS }, connection));
      return { seconds: (performance.now() - began) / 1000, latencies };
    } finally {
      agent.destroy();
    }
  }

  /** Sends one request, unless told otherwise over a connection of its own. @returns {Promise<{headers: object, body: string}>} */
  async one(agent = false) {
    const answer = await ask(this.#url, this.#asked, agent);
    if (answer.status !== this.#asked.status) {
      throw new Error(`${this.#asked.path} answered ${answer.status} instead of ${this.#asked.status}: ${answer.body.slice(0, 500)}`);
    }
    return answer;
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
