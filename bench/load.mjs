/**
 * Load over HTTP: a fixed number of requests over a few connections that stay open meanwhile, each answer checked. A closed
 * loop: a connection sends its next request once it has its answer.
 */

import { Agent, request as open } from "node:http";

const CONNECTIONS = 8;

/**
 * One kind of request and how it must be answered.
 *
 * @typedef {object} Asked
 * @property {string} [method]
 * @property {string} path
 * @property {Record<string, string>} [headers]
 * @property {string} [body]
 * @property {number} status
 * @property {string} [location]  how the redirect begins, where the status alone does not say that the answer is right
 */

/**
 * Makes requests that can be sent only once each, such as one with a code; it may have to ask the worker for that.
 *
 * @typedef {(url: URL, count: number) => Promise<Asked[]>} Supply
 */

/** @typedef {{status: number, headers: object, body: string, took: number}} Answer  `took` in ms */

export class Load {
  #url;
  #asked;
  #ready = [];

  /**
   * @param {URL} url  where the worker listens
   * @param {Asked | Supply} asked
   */
  constructor(url, asked) {
    this.#url = url;
    this.#asked = asked;
  }

  /** Makes so many requests, without sending them. @returns {Promise<boolean>} whether the worker had work with it */
  async ready(count) {
    const supplied = typeof this.#asked === "function";
    this.#ready = supplied ? await this.#asked(this.#url, count) : Array(count).fill(this.#asked);
    return supplied;
  }

  /**
   * Sends what is ready and waits for all answers. The connections are new, because workerd closes one that was idle for
   * 5 s, perhaps just when the next request is on its way.
   *
   * @returns {Promise<{seconds: number, answers: Answer[]}>}
   */
  async send() {
    const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
    const requests = this.#ready.splice(0).values();
    const answers = [];
    const began = performance.now();
    const connection = async () => {
      for (const asked of requests) answers.push(await ask(this.#url, asked, agent));
    };
    try {
      await Promise.all(Array.from({ length: CONNECTIONS }, connection));
      return { seconds: (performance.now() - began) / 1000, answers };
    } finally {
      agent.destroy();
    }
  }

  /** Makes and sends one request, over a connection of its own. @returns {Promise<Answer>} */
  async one() {
    await this.ready(1);
    const [asked] = this.#ready.splice(0);
    return ask(this.#url, asked, false);
  }
}

/**
 * Throws unless an answer says what it should.
 *
 * @param {string} what  was answered
 * @param {(answer: Answer) => boolean} right  may throw at what it does not understand
 * @param {Answer} answer
 */
export function check(what, right, answer) {
  let cause;
  try {
    if (right(answer)) return;
  } catch (error) {
    cause = error;
  }
  throw new Error(`a wrong answer to ${what}: ${JSON.stringify(answer.headers)} ${answer.body.slice(0, 500)}`, { cause });
}

/** Sends one request; throws if it is answered otherwise than it must be. @returns {Promise<Answer>} */
async function ask(url, asked, agent) {
  const sent = performance.now();
  const answer = await answerTo(url, asked, agent);
  const took = performance.now() - sent;
  const [path] = asked.path.split("?");
  if (answer.status !== asked.status) {
    throw new Error(`${path} answered ${answer.status} instead of ${asked.status}: ${answer.body.slice(0, 500)}`);
  }
  if (asked.location && !answer.headers.location?.startsWith(asked.location)) {
    throw new Error(`${path} redirected to ${answer.headers.location?.slice(0, 200)} instead of ${asked.location}…`);
  }
  return { ...answer, took };
}

/** Request and answer, addressed to `localhost` as Enishi's account is. */
function answerTo(url, { method = "GET", path, headers, body }, agent) {
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
