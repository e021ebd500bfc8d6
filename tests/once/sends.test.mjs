/**
 * Sends through the built worker, D1 and the queues in workerd: LINE answers 500, or accepts and never answers; somebody pauses and
 * resumes. Everybody is in exactly one accepted call, and nothing is sent that the quota does not cover. `ENISHI_PROVE` sends
 * the full figure; `ENISHI_SEED` repeats a run, as far as time allows.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { eventually } from "../e2e/demo.mjs";
import { Line } from "./line.mjs";
import { Workerd } from "./workerd.mjs";

const RECIPIENTS = process.env.ENISHI_PROVE ? 100_000 : 10_000;
const SEED = Number(process.env.ENISHI_SEED ?? 1);
const DONE_WITHIN = 240_000;
const ENDS = ["done", "partly_failed", "cancelled"];

let workerd;
let line;

before(async () => {
  line = await new Line(SEED).listen();
  workerd = await Workerd.start({ line: line.url });
  const account = "(SELECT id FROM accounts)";
  for (const sql of [
    `INSERT INTO line_users (account, line_user_id, subject, friend, friend_since, friendship_at, created_at)
       WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ${RECIPIENTS})
       SELECT ${account}, printf('U%032x', i), 's' || i, 1, 1, 1, 1 FROM n`,
    `INSERT INTO links (account, line_user, member_id, link_id, linked_at) SELECT account, id, 'm-' || id, 'l-' || id, 1 FROM line_users`,
    `INSERT INTO attributes (account, member, name, kind, value, updated_at) SELECT account, id, 'rank', 'text', 'gold', 1 FROM members`,
  ]) {
    await workerd.rows(sql);
  }
});

after(async () => {
  await workerd?.stop();
  line?.close();
});

function send() {
  return workerd.api("POST", "/v1/sends", { rule: { attribute: "rank", equals: "gold" }, messages: [{ type: "text", text: "こんにちは" }] });
}

/** The send once it is in one of these states. */
function until(id, states) {
  let shown;
  return eventually(`the send is ${states.join(" or ")}`, async () => {
    shown = await workerd.api("GET", `/v1/sends/${id}`);
    assert.ok(states.includes(shown.state), JSON.stringify(shown));
    return shown;
  }, DONE_WITHIN, 250);
}

/** How many are in how many accepted calls. */
function times() {
  const counted = new Map();
  for (const number of line.accepted.values()) counted.set(number, (counted.get(number) ?? 0) + 1);
  return Object.fromEntries(counted);
}

test("a send without trouble reaches everybody once, and LINE never says that it is too fast", async () => {
  const began = performance.now();
  const { id } = await send();
  const shown = await until(id, ENDS);
  assert.deepEqual([shown.state, shown.accepted], ["done", RECIPIENTS]);
  assert.deepEqual(times(), { 1: RECIPIENTS });
  assert.deepEqual(line.violations, []);
  assert.deepEqual([...new Set(line.calls.map(({ status }) => status))], [200]);
  console.log(`sends in workerd: ${RECIPIENTS} recipients in ${((performance.now() - began) / 1000).toFixed(1)} s, ${line.calls.length} calls, 0 answered 429`);
});

test("through errors, lost answers and a pause everybody is in one accepted call more", async () => {
  line.calls = [];
  line.trouble = { errors: 0.1, lost: 0.1 };
  const { id } = await send();
  await eventually("it is under way", async () => assert.ok(line.calls.length > 0) ?? true, DONE_WITHIN, 20);
  await workerd.api("POST", `/v1/sends/${id}/pause`);
  const paused = await until(id, ["paused", ...ENDS]);
  if (paused.state === "paused") {
    const { length } = line.calls;
    await new Promise((later) => setTimeout(later, 2_000));
    assert.equal(line.calls.length, length, "nothing is sent while it is paused");
    assert.equal([...line.accepted.values()].filter((number) => number === 2).length, paused.accepted);
    line.trouble = { errors: 0.1, lost: 0 };
    await workerd.api("POST", `/v1/sends/${id}/resume`);
  }
  const shown = await until(id, ENDS);
  assert.deepEqual([shown.state, shown.accepted, shown.unresolved], ["done", RECIPIENTS, 0], JSON.stringify(shown));
  assert.deepEqual(times(), { 2: RECIPIENTS });
  assert.deepEqual(line.violations, []);
  const lost = line.calls.filter(({ status }) => status === null).length;
  console.log(`sends in workerd: seed ${SEED}, ${line.calls.length} calls, ${lost} without an answer, 0 messaged twice`);
});

test("what the quota does not cover is not even begun", async () => {
  line.calls = [];
  line.quota = line.used + RECIPIENTS - 1;
  const { id } = await send();
  const shown = await until(id, ["paused", ...ENDS]);
  assert.deepEqual([shown.state, shown.reason, shown.accepted], ["paused", "quota", 0]);
  assert.equal(line.calls.length, 0);
  const cancelled = await workerd.api("POST", `/v1/sends/${id}/cancel`);
  assert.equal(cancelled.state, "cancelled");
  const [{ receipts }] = await workerd.rows("SELECT count(*) AS receipts FROM receipts WHERE outcome = 1");
  assert.equal(receipts, 2 * RECIPIENTS);
});
