/**
 * The set-up helper against the running stack: a request of the worker's makes LINE send one to the same worker, and waits
 * for what came of it.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { api, demo } from "./demo.mjs";

test("LINE's test of our address finds the worker behind it", async () => {
  const shown = await api("GET", "/v1/webhooks/setup");
  assert.equal(shown.status, 200, JSON.stringify(shown.body));
  assert.equal(shown.body.ours, `${demo.issuer}/line/webhook`);
  const { status, body } = await api("POST", "/v1/webhooks/setup", {});
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.endpoint, body.ours);
  assert.deepEqual([body.is_ours, body.active, body.test_error], [true, true, null]);
  const { success, status_code, reason } = body.test;
  assert.deepEqual([success, status_code, reason], [true, 200, "OK"], JSON.stringify(body.test));
  assert.deepEqual(body.to_do.map(({ what }) => what), ["webhook_redelivery", "error_statistics"]);
});
