/** A shop's endpoint for Enishi's events. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";

import { api, eventually } from "./demo.mjs";

/**
 * Registers an endpoint on this machine for as long as `act` runs.
 *
 * @template T
 * @param {(event: (type: string) => Promise<object>) => Promise<T>} act  is given the event of a type, once it is there
 * @returns {Promise<T>}
 */
export async function takingEvents(act) {
  const events = [];
  const hooks = createServer(async (asked, answer) => {
    const chunks = [];
    for await (const chunk of asked) chunks.push(chunk);
    events.push(JSON.parse(Buffer.concat(chunks).toString()));
    answer.end();
  }).listen(0, "127.0.0.1");
  await once(hooks, "listening");
  try {
    const url = `http://127.0.0.1:${hooks.address().port}/hooks`;
    assert.equal((await api("PUT", "/v1/webhook-endpoint", { url })).status, 200);
    return await act((type) => eventually(`the shop hears ${type}`, async () => events.find((event) => event.type === type)));
  } finally {
    await api("DELETE", "/v1/webhook-endpoint");
    hooks.close();
  }
}
