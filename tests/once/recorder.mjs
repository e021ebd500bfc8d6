/**
 * Around the built worker, in workerd: hands on what comes and goes, and keeps what each run of a queue's consumer asked of D1,
 * as D1 itself counts it. `GET /recorded` tells that, and forgets it.
 *
 * @typedef {{sql: string, read: number, written: number}} Asked  a statement, by how it begins
 * @typedef {{queue: string, messages: number, batches: Asked[][]}} Run  of a consumer
 */

import Worker from "./index.js";

/** Characters that tell one statement from another. */
const BEGINNING = 80;

const runs = [];

/** Named as the worker expects the binding to be. */
class D1Database {
  #database;
  #keep;

  constructor(database, keep) {
    this.#database = database;
    this.#keep = keep;
  }

  prepare(sql) {
    return this.#database.prepare(sql);
  }

  async batch(statements) {
    const results = await this.#database.batch(statements);
    this.#keep(results.map(({ meta }, at) => ({ sql: statements[at].statement.slice(0, BEGINNING), read: meta.rows_read, written: meta.rows_written })));
    return results;
  }
}

export default {
  fetch(request, env, context) {
    if (new URL(request.url).pathname === "/recorded") return Response.json(runs.splice(0));
    return new Worker(context, env).fetch(request);
  },

  async queue(batch, env, context) {
    const run = { queue: batch.queue, messages: batch.messages.length, batches: [] };
    const DB = new D1Database(env.DB, (asked) => run.batches.push(asked));
    await new Worker(context, { ...env, DB }).queue(batch);
    runs.push(run);
  },
};
