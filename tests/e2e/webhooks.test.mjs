/**
 * LINE's webhooks in workerd, from the door on: relayed to a tool behind us as LINE signed them, answered by a welcome, kept in
 * the ledger.
 */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";

import { api, demo, eventually, person, received, sim } from "./demo.mjs";

/** A tool that worked with LINE before us: what reached it, and whether it is well. */
const tool = { took: [], isWell: true };

/** The deliveries to the tool that name somebody. */
const about = (userId) => tool.took.filter(({ body }) => body.includes(userId));

/** How many deliveries in the ledger name somebody. */
async function ledgerAbout(userId) {
  const { deliveries } = (await api("GET", "/v1/webhooks/deliveries?limit=20")).body;
  const bodies = await Promise.all(deliveries.map(async ({ id }) => (await api("GET", `/v1/webhooks/deliveries/${id}`)).body.body));
  return bodies.filter((body) => body?.includes(userId)).length;
}

describe("a delivery of LINE's", () => {
  let relay;
  const server = createServer(async (asked, answer) => {
    const chunks = [];
    for await (const chunk of asked) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    if (tool.isWell) tool.took.push({ body, signature: asked.headers["x-line-signature"] });
    answer.writeHead(tool.isWell ? 200 : 500).end();
  });

  before(async () => {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const made = await api("POST", "/v1/webhooks/relays", { label: "chat tool", url: `http://127.0.0.1:${server.address().port}/line` });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    relay = `/v1/webhooks/relays/${made.body.id}`;
  });
  after(async () => {
    await api("DELETE", "/v1/webhooks/repliers/follow");
    await api("DELETE", relay);
    server.close();
  });

  test("reaches the tool behind us byte by byte, under LINE's own signature", async () => {
    const userId = await person("中継花子");
    await sim("POST", `/sim/users/${userId}/follow`);
    const [{ body, signature }] = await eventually("the tool has it", async () => about(userId).length && about(userId));
    const expected = createHmac("sha256", demo.messaging_channel_secret).update(body).digest("base64");
    assert.equal(signature, expected);
    const { deliveries } = (await api("GET", "/v1/webhooks/deliveries?limit=20")).body;
    assert.ok(deliveries.every(({ verdict }) => verdict === "applied"), JSON.stringify(deliveries));
    const bodies = await Promise.all(deliveries.map(async ({ id }) => (await api("GET", `/v1/webhooks/deliveries/${id}`)).body.body));
    assert.ok(bodies.includes(body), "the ledger has the same bytes");
  });

  test("waits for a tool that is down, and all come in order once it is back", async () => {
    tool.isWell = false;
    const userId = await person("待つ花子");
    // LINE orders nothing: each deed waits until the one before stands in the ledger, which is every tool's order.
    for (const [before, deed] of ["follow", "unfollow", "follow"].entries()) {
      await eventually("the deed before is known", async () => (await ledgerAbout(userId)) === before);
      await sim("POST", `/sim/users/${userId}/${deed}`);
    }
    await eventually("the tool is behind", async () => (await api("GET", relay)).body.attempts > 0);
    tool.isWell = true;
    assert.equal((await api("PATCH", relay, { paused: false })).status, 200);
    await eventually("the tool has all", async () => about(userId).length >= 3);
    const types = about(userId).flatMap(({ body }) => JSON.parse(body).events.map(({ type }) => type));
    assert.deepEqual(types, ["follow", "unfollow", "follow"]);
    await eventually("the tool is not behind", async () => (await api("GET", relay)).body.lag.deliveries === 0);
  });

  test("that tells of a new friend is answered by a welcome, once, free of charge", async () => {
    const rule = { replier: "enishi", messages: [{ type: "text", text: "ようこそ、縁日和へ" }] };
    const put = await api("PUT", "/v1/webhooks/repliers/follow", rule);
    assert.equal(put.status, 200, JSON.stringify(put.body));
    const userId = await person("新しい友だち");
    await sim("POST", `/sim/users/${userId}/follow`);
    await eventually("the welcome is there", async () => (await received(userId, "ようこそ、縁日和へ")) === 1);
    const { messages } = await sim("GET", `/sim/users/${userId}/messages`);
    assert.deepEqual(messages.map(({ delivery }) => delivery.method), ["reply"]);
  });
});
