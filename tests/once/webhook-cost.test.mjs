/**
 * What the consumer of LINE's deliveries asks of D1, as D1 in workerd counts it: one batch for each group that the queue hands
 * over, of as many statements for one delivery as for a hundred, and few rows for each event.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { eventually } from "../e2e/demo.mjs";
import { Workerd } from "./workerd.mjs";

/** Seconds within which deliveries become one group. */
const PATIENCE = 1;
const FULL = 100;

/** Rows that are written for a delivery: its own in the ledger, */
const PER_DELIVERY = 1;
/** and for a group, the hour's count. */
const PER_GROUP = 1;
/** Rows that are read for an event at most, however many there are in the tables; most are those of the JSON that lists them. */
const READ_PER_EVENT = 80;

let workerd;
let numbers = 0;

before(async () => {
  workerd = await Workerd.start({ patience: PATIENCE });
});

after(() => workerd?.stop());

const user = (number) => `U${String(number).padStart(32, "0")}`;

/** Users by their numbers: those of each case, others than those, and those of the last test. */
const OTHERS = 1_000;
const MIXED = 2_000;

function event(type, number, differences) {
  numbers += 1;
  return {
    type,
    mode: "active",
    timestamp: 1_767_225_600_000 + numbers,
    source: { type: "user", userId: user(number) },
    webhookEventId: `01KDVDNA02ABCDEFGH${String(numbers).padStart(8, "0")}`,
    deliveryContext: { isRedelivery: false },
    ...differences,
  };
}

const message = (id) => ({ replyToken: "r", message: { type: "text", id, quoteToken: "q", text: "届く日を教えてください。" } });

/** Delivers lists of events at once; answers what became of the one group that they are. */
async function group(deliveries) {
  await workerd.recorded();
  await workerd.deliverAll(deliveries.map((events) => JSON.stringify({ destination: workerd.bot, events })));
  const runs = [];
  await eventually("the group is applied", async () => {
    runs.push(...(await workerd.recorded()));
    return runs.reduce((sum, run) => sum + run.messages, 0) === deliveries.length;
  });
  assert.deepEqual(runs.map(({ messages, batches }) => [messages, batches.length]), [[deliveries.length, 1]], "one group is one batch");
  const [[statements]] = runs.map(({ batches }) => batches);
  const sum = (name) => statements.reduce((total, asked) => total + asked[name], 0);
  return { statements, written: sum("written"), read: sum("read") };
}

/**
 * An event by what it is, the rows that each writes, how often its batch inserts into `line_users`, whose running number SQLite
 * keeps in a row that counts each time, and what it looks like.
 */
const CASES = [
  // Their row with its three other keys, and three as for anybody.
  ["a follow of somebody new", 4 + 3, 2, (at) => event("follow", at, { replyToken: "r", follow: { isUnblocked: false } })],
  // The claim and its key by user, and the friendship.
  ["a follow of somebody known", 3, 2, (at) => event("follow", at, { replyToken: "r", follow: { isUnblocked: true } })],
  ["an unfollow", 3, 2, (at) => event("unfollow", at)],
  // The claim and its key by user, and the message.
  ["a message", 3, 1, (at) => event("message", at, message(`m${at}`))],
  // The claim and its key by user, the message, and the delivery that brought it.
  ["an unsend", 4, 1, (at) => event("unsend", at, { unsend: { messageId: `m${at}` } })],
  ["a message of somebody new", 4 + 3, 1, (at) => event("message", OTHERS + at, message(`o${at}`))],
  // The claim and its key by user.
  ["a postback", 2, 0, (at) => event("postback", at, { postback: { data: "a=1" } })],
  ["a type that nobody knows", 2, 0, (at) => event("someFutureEvent", at)],
];

for (const [what, perEvent, running, make] of CASES) {
  test(`${what} writes ${perEvent} rows beside those of its delivery, alone and in a full group`, async () => {
    const alone = await group([[make(0)]]);
    const full = await group(Array.from({ length: FULL }, (_, at) => [make(at + 1)]));
    for (const [{ statements, written, read }, count] of [[alone, 1], [full, FULL]]) {
      const expected = perEvent * count + PER_DELIVERY * count + PER_GROUP + running;
      assert.equal(written, expected, JSON.stringify(statements, undefined, 1));
      assert.ok(read <= READ_PER_EVENT * count, `${read} rows read: ${JSON.stringify(statements, undefined, 1)}`);
    }
    assert.equal(full.statements.length, alone.statements.length);
    console.log(`${what} in workerd: ${alone.statements.length} statements; rows written ${alone.written} alone, ${full.written} by ${FULL}; read ${alone.read} and ${full.read}`);
  });
}

test("a delivery that comes again writes its row in the ledger and the count, and none of its events", async () => {
  const events = [event("follow", 0, { replyToken: "r" }), event("message", 0, message("again"))];
  await group([events]);
  const { statements, written } = await group([events]);
  assert.equal(written, PER_DELIVERY + PER_GROUP + 1, JSON.stringify(statements, undefined, 1));
});

test("a hundred events of all kinds in one delivery are one batch of few statements", async () => {
  const kinds = CASES.map(([, , , make]) => make);
  const events = Array.from({ length: FULL }, (_, at) => kinds[at % kinds.length](MIXED + at - (at % kinds.length)));
  const { statements, written, read } = await group([events]);
  assert.ok(statements.length <= 12, JSON.stringify(statements, undefined, 1));
  assert.ok(written <= 6 * FULL && read <= READ_PER_EVENT * FULL, `${written} rows written, ${read} read`);
  console.log(`a delivery of ${FULL} events in workerd: ${statements.length} statements, ${written} rows written, ${read} read`);
});
