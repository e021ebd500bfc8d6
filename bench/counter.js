/**
 * Around the worker under measurement: counts the runs of its queues' consumers. `GET /counted` tells how many each queue had.
 */

import Worker from "./index.js";

const runs = {};

export default {
  fetch(request, env, context) {
    if (new URL(request.url).pathname === "/counted") return Response.json(runs);
    return new Worker(context, env).fetch(request);
  },

  async queue(batch, env, context) {
    runs[batch.queue] = (runs[batch.queue] ?? 0) + 1;
    await new Worker(context, env).queue(batch);
  },
};
