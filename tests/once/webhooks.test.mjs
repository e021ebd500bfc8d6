/**
 * LINE's deliveries through the built worker, D1 and the queues in workerd, compared with a plain model: nothing is lost and
 * nothing is done twice. `ENISHI_PROVE` sends the full figure; `ENISHI_SEED` repeats a storm.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { eventually } from "../e2e/demo.mjs";
import { Model, differences } from "./model.mjs";
import { Storm } from "./storm.mjs";
import { Workerd } from "./workerd.mjs";

const DELIVERIES = process.env.ENISHI_PROVE ? 5_000 : 500;
const SEED = Number(process.env.ENISHI_SEED ?? 1);
const DRAINED_WITHIN = 180_000;

let workerd;
let storm;
let model;

before(async () => {
  console.log(`seed ${SEED}`);
  workerd = await Workerd.start();
  storm = new Storm(SEED, workerd.bot, DELIVERIES);
  model = new Model(storm.deliveries);
});

after(() => workerd?.stop());

/** Rows of D1 by a key, as the model has them. */
async function table(sql, key, value) {
  return new Map((await workerd.rows(sql)).map((row) => [key(row), value(row)]));
}

test("a storm of deliveries is acknowledged, and applied to the last", async () => {
  const began = performance.now();
  const times = (await workerd.deliverAll(storm.sent.map(({ body }) => body))).sort((a, b) => a - b);
  const acknowledged = performance.now() - began;
  await eventually("every delivery is in the ledger and waits no more", async () => {
    const [{ done, all }] = await workerd.rows("SELECT count(*) AS 'all', count(applied_at) AS done FROM webhook_deliveries");
    assert.deepEqual([all, done], [storm.sent.length, storm.sent.length]);
    return true;
  }, DRAINED_WITHIN, 500);
  const applied = performance.now() - began;
  const { length } = times;
  const events = storm.deliveries.reduce((sum, delivery) => sum + delivery.events.length, 0);
  console.log(
    `webhooks in workerd: seed ${SEED}, ${DELIVERIES} deliveries with ${events} events, sent ${length} times in ${(acknowledged / 1000).toFixed(1)} s ` +
      `(acknowledged within ${times[Math.floor(length * 0.99)].toFixed(0)} ms p99, ${times[length - 1].toFixed(0)} ms at most), all applied after ${(applied / 1000).toFixed(1)} s`,
  );
});

test("each event is claimed once, for whom it names", async () => {
  const claims = await table("SELECT webhook_event_id AS id, line_user_id FROM webhook_events", ({ id }) => id, (row) => row.line_user_id);
  assert.deepEqual(differences(model.claims, claims), []);
});

test("of each user the newest word on the friendship counts, and of equal times the larger event's", async () => {
  const words = await table("SELECT * FROM line_users", (row) => row.line_user_id, (row) =>
    row.friend === null ? undefined : { friend: row.friend === 1, at: row.friendship_at, id: row.friendship_event });
  assert.deepEqual(differences(model.users, words), []);
  const [{ wrong }] = await workerd.rows("SELECT count(*) AS wrong FROM line_users WHERE (coalesce(friend, 0) = 1) <> (friend_since IS NOT NULL)");
  assert.equal(wrong, 0, "only friends are so since a time");
});

test("each message is kept once, and what was unsent is not there to be read", async () => {
  const sql = "SELECT m.*, u.line_user_id FROM chat_messages m LEFT JOIN line_users u ON u.id = m.line_user";
  const kept = await table(sql, (row) => `${row.line_user_id ?? ""}/${row.message_id}`, ({ unsent, kind, text }) =>
    unsent ? { unsent: true, text } : { unsent: false, kind, text });
  const expected = new Map([...model.messages].map(([key, { unsent, kind, text }]) => [key, unsent ? { unsent, text: null } : { unsent, kind, text }]));
  assert.deepEqual(differences(expected, kept), []);
  const [{ lost }] = await workerd.rows("SELECT count(*) AS lost FROM chat_messages m WHERE NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.account = m.account AND d.seq = m.delivery)");
  assert.equal(lost, 0, "each says in which delivery it lies");
});

test("the ledger has each delivery as it came, and each time it came again as a repetition", async () => {
  const rows = await workerd.rows("SELECT * FROM webhook_deliveries ORDER BY seq");
  assert.equal(rows.length, storm.sent.length);
  const claims = await workerd.rows("SELECT webhook_event_id AS id, delivery FROM webhook_events");
  const holds = Map.groupBy(claims, ({ delivery }) => delivery);
  const wrong = [];
  for (const row of rows) {
    const { seq, verdict, altered, body, signature } = row;
    if (!holds.has(seq)) {
      if (!(verdict === "duplicate" && body === "" && row.duplicates === row.events)) wrong.push(row);
      continue;
    }
    const ids = holds.get(seq).map(({ id }) => id).filter((id) => !id.includes("/")).sort();
    const isWhole = JSON.stringify(JSON.parse(body).events.map((event) => event.webhookEventId).sort()) === JSON.stringify(ids);
    const isAsItCame = altered === 1 || signature === workerd.signature(body);
    if (!(verdict === "applied" && row.events === ids.length && row.duplicates === 0 && isWhole && isAsItCame)) wrong.push(row);
  }
  assert.deepEqual(wrong.map(shown), []);
  assert.equal(rows.filter(({ seq }) => holds.has(seq)).length, storm.deliveries.length);
});

test("what was unsent is in no delivery any more, also where it came again", async () => {
  const rows = await workerd.rows("SELECT * FROM webhook_deliveries WHERE body <> '' ORDER BY seq");
  const gone = model.unsentTexts();
  assert.ok(gone.length > 0);
  assert.deepEqual(rows.filter(({ body }) => gone.some((text) => body.includes(text))).map(shown), []);
});

/** A delivery without most of its body. */
function shown({ body, ...row }) {
  return { ...row, body: body.slice(0, 300), length: body.length };
}

test("the counters add up, and nothing is waiting, failed, or among the dead letters", async () => {
  const [counts] = await workerd.rows(
    `SELECT sum(deliveries) AS deliveries, sum(events) AS events, sum(duplicates) AS duplicates, sum(lag_100 + lag_250 + lag_500
       + lag_1000 + lag_2500 + lag_5000 + lag_15000 + lag_60000 + lag_more) AS lags FROM webhook_counts`,
  );
  const came = storm.sent.reduce((sum, { of }) => sum + of.events.length, 0);
  const known = storm.deliveries.reduce((sum, { events }) => sum + events.length, 0);
  const { length } = storm.sent;
  assert.deepEqual(counts, { deliveries: length, events: came, duplicates: came - known, lags: length });
  for (const sql of [
    "SELECT count(*) AS many FROM webhook_deliveries WHERE verdict NOT IN ('applied', 'duplicate')",
    "SELECT count(*) AS many FROM dead_letters",
    "SELECT sum(count) AS many FROM webhook_refusals",
  ]) {
    assert.ok(!(await workerd.rows(sql))[0].many, sql);
  }
  const runs = await workerd.recorded();
  assert.deepEqual([...new Set(runs.map(({ queue }) => queue))], ["enishi-webhooks"]);
  const messages = runs.reduce((sum, run) => sum + run.messages, 0);
  assert.equal(messages, length, "no message came back");
  const batches = runs.flatMap((run) => run.batches);
  const written = batches.flat().reduce((sum, asked) => sum + asked.written, 0);
  console.log(`webhooks in workerd: ${runs.length} groups, ${batches.length} batches, ${batches.flat().length} statements, ${written} rows written, 0 lost, 0 done twice`);
});
