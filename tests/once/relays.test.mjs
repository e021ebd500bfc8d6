/**
 * LINE's deliveries sent on to other tools, by the built worker, D1 and the queues in workerd: byte by byte under LINE's signature,
 * in the ledger's order, everything, also to a tool that fails for a while; and what a delivery asks of D1.
 */

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { eventually } from "../e2e/demo.mjs";
import { Storm } from "./storm.mjs";
import { Workerd } from "./workerd.mjs";

const DELIVERIES = process.env.ENISHI_PROVE ? 1_000 : 100;
const DRAINED_WITHIN = 180_000;

/** A tool that keeps what it takes. */
class Tool {
  taken = [];
  refused = 0;
  status = 200;
  /** Whether the body of an answer never ends. */
  endless = false;
  #server = createServer(async (request, answer) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const { "x-line-signature": signature, "content-type": type, "user-agent": agent } = request.headers;
    if (this.status === 200) this.taken.push({ body, signature, type, agent });
    else this.refused += 1;
    answer.writeHead(this.status, { location: "http://127.0.0.1:9/" });
    if (this.endless) answer.write("and so on");
    else answer.end();
  });

  async listen() {
    await new Promise((listening) => this.#server.listen(0, "127.0.0.1", listening));
    this.url = `http://127.0.0.1:${this.#server.address().port}/line`;
    return this;
  }

  close() {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

let workerd;
let [well, troubled] = [];

before(async () => {
  workerd = await Workerd.start();
  [well, troubled] = await Promise.all([new Tool().listen(), new Tool().listen()]);
});

after(async () => {
  await workerd?.stop();
  for (const tool of [well, troubled]) tool?.close();
});

/** The bodies that every tool is to take, in order. */
async function ledger() {
  return (await workerd.rows("SELECT body FROM webhook_deliveries WHERE verdict <> 'duplicate' ORDER BY seq")).map(({ body }) => body);
}

test("each tool takes every delivery once, in the ledger's order, as LINE signed it", async () => {
  troubled.status = 302;
  for (const { url } of [well, troubled]) await workerd.api("POST", "/v1/webhooks/relays", { url });
  const storm = new Storm(1, workerd.bot, DELIVERIES);
  const began = performance.now();
  await workerd.deliverAll(storm.sent.map(({ body }) => body));
  const behind = async () => (await workerd.api("GET", "/v1/webhooks/relays")).relays.map(({ lag }) => lag.deliveries);
  await eventually("the tool that is well has everything", async () => {
    const [{ waiting }] = await workerd.rows("SELECT count(*) AS waiting FROM webhook_deliveries WHERE verdict = 'waiting'");
    const [{ came }] = await workerd.rows("SELECT count(*) AS came FROM webhook_deliveries");
    return came === storm.sent.length && waiting === 0 && (await behind())[0] === 0;
  }, DRAINED_WITHIN, 500);
  console.log(`relays in workerd: ${well.taken.length} deliveries sent on within ${((performance.now() - began) / 1000).toFixed(1)} s`);
  assert.ok(troubled.refused > 0);
  assert.equal(troubled.taken.length, 0, "a redirect is no success, and nobody follows it");
  troubled.status = 200;
  await eventually("so has the other", async () => (await behind())[1] === 0, DRAINED_WITHIN, 500);

  const bodies = await ledger();
  const altered = new Set((await workerd.rows("SELECT body FROM webhook_deliveries WHERE altered = 1")).map(({ body }) => body));
  for (const { taken } of [well, troubled]) {
    assert.equal(taken.length, bodies.length);
    taken.forEach(({ body, signature, type, agent }, at) => {
      // What was unsent since was there when it was sent.
      if (!altered.has(bodies[at])) assert.equal(body, bodies[at], `the ${at}th`);
      assert.equal(signature, workerd.signature(body));
      assert.equal(type, "application/json; charset=utf-8");
      assert.match(agent, /^LineBotWebhook\/2\.0 Enishi\//);
    });
  }
  const { relays } = await workerd.api("GET", "/v1/webhooks/relays");
  assert.deepEqual(
    relays.map(({ delivered, attempts, failing_since, lost, dead_letters }) => ({ delivered, attempts, failing_since, lost, dead_letters })),
    Array(2).fill({ delivered: bodies.length, attempts: 0, failing_since: null, lost: 0, dead_letters: 0 }),
  );
});

test("a delivery costs a relay one batch, which writes one row", async () => {
  const runs = (await workerd.recorded()).filter(({ queue }) => queue === "enishi-relays");
  const batches = runs.flatMap((run) => run.batches);
  const moves = batches.filter(([first]) => first.sql.startsWith("UPDATE relays SET cursor"));
  const sent = well.taken.length + troubled.taken.length;
  assert.ok(moves.length === sent, `${moves.length} for ${sent}`);
  assert.ok(moves.every((batch) => batch.length === 3));
  const sum = (of, what) => of.flat().reduce((sum, asked) => sum + asked[what], 0);
  // The last of a run lets the relay go, or hands it on, which writes the index of what is due, too.
  assert.ok(sum(moves, "written") <= sent + 2 * runs.length, `${sum(moves, "written")} for ${sent} in ${runs.length} runs`);
  const most = Math.max(...runs.map((run) => run.batches.flat().length));
  assert.ok(most <= 50, `${most} statements in one run`);
  console.log(
    `relays in workerd: ${sent} deliveries in ${runs.length} runs, ${batches.length} batches, ${batches.flat().length} statements, ` +
      `${sum(batches, "read")} rows read, ${sum(batches, "written")} written`,
  );
});

test("a dead letter that somebody wants sent again is sent, and is one no more", async () => {
  const [{ id }] = (await workerd.api("GET", "/v1/webhooks/relays")).relays;
  const before = well.taken.length;
  const [{ seq, body }] = await workerd.rows("SELECT seq, body FROM webhook_deliveries WHERE verdict = 'applied' AND altered = 0 ORDER BY seq LIMIT 1");
  await workerd.rows(
    `INSERT INTO relay_dead_letters (account, relay, seq, reason, at) SELECT account, id, ${seq}, 'http_500', 1 FROM relays WHERE id = '${id}'`,
  );
  const path = `/v1/webhooks/relays/${id}/dead-letters`;
  const [letter] = (await workerd.api("GET", path)).dead_letters;
  assert.deepEqual([letter.id, letter.reason, letter.again], [seq, "http_500", false]);
  assert.deepEqual(await workerd.api("POST", `${path}/replay`, {}), { replayed: 1 });
  await eventually("it is sent", async () => well.taken.length === before + 1);
  assert.equal(well.taken.at(-1).body, body);
  await eventually("it is gone", async () => (await workerd.api("GET", path)).dead_letters.length === 0);
});

test("a tool's answer counts by its status, and a body without an end is not waited for", async () => {
  const [{ id }] = (await workerd.api("GET", "/v1/webhooks/relays")).relays;
  well.endless = true;
  const before = well.taken.length;
  const began = performance.now();
  await workerd.deliverAll(new Storm(3, workerd.bot, 20).sent.map(({ body }) => body));
  await eventually("it has everything", async () => {
    const { lag, attempts } = await workerd.api("GET", `/v1/webhooks/relays/${id}`);
    return well.taken.length > before && lag.deliveries === 0 && attempts === 0;
  });
  assert.ok(performance.now() - began < 10_000, "without a time-out");
  const taken = well.taken.slice(before).map(({ body }) => body);
  assert.equal(taken.length, new Set(taken).size, "each once");
  well.endless = false;
});

test("a relay is paused, moved and removed", async () => {
  const [, { id }] = (await workerd.api("GET", "/v1/webhooks/relays")).relays;
  const path = `/v1/webhooks/relays/${id}`;
  await workerd.api("PATCH", path, { paused: true });
  const before = [well.taken.length, troubled.taken.length];
  await workerd.deliverAll(new Storm(2, workerd.bot, 5).sent.map(({ body }) => body));
  await eventually("the other goes on", async () => well.taken.length > before[0]);
  assert.equal(troubled.taken.length, before[1]);
  const { lag } = await workerd.api("GET", path);
  assert.ok(lag.deliveries > 0);
  await workerd.api("PATCH", path, { url: well.url, paused: false });
  await eventually("it has everything at its new address", async () => (await workerd.api("GET", path)).lag.deliveries === 0);
  assert.equal(troubled.taken.length, before[1]);
  await workerd.api("DELETE", path);
  assert.equal((await workerd.api("GET", "/v1/webhooks/relays")).relays.length, 1);
});
