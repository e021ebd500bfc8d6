/**
 * What rules cost as an account grows: `POST /v1/segments/count` and a page of members, through the built worker in workerd
 * with D1, on so many members, ten times as many events, and messages of the last weeks; and how many events a second
 * `POST /v1/events` takes there. `README.md` says how to read the result.
 *
 * Options: `--size N` (members; again for more; 10,000, 100,000 and 1,000,000), `--json`. Exits with 1 if a rule reaches another
 * number than the same question asked of the database. Listens and calls on loopback only.
 */

import { rmSync } from "node:fs";

import { usedSince } from "./cpu.mjs";
import { API_KEY, VARS, furnish } from "./enishi.mjs";
import { BUILD, MIGRATIONS, grow, ownFolder, peakMemory, say } from "./growth.mjs";
import { Load } from "./load.mjs";
import { table } from "./report.mjs";
import { median } from "./statistics.mjs";
import { Worker } from "./worker.mjs";

const SIZES = [10_000, 100_000, 1_000_000];
const EVENTS_EACH = 10;
/** Rows that one statement makes. */
const AT_ONCE = 500_000;
const ROUNDS = 5;
const DAY = 86_400_000;
/** Events of one call, and calls. */
const BATCH = 1_000;
const BATCHES = 20;
/** Made again once all rows are there: many times faster than row by row. */
const INDEXES = ["events_by_id", "events_by_type", "events_by_member", "attributes_by_value", "links_by_member_number"];

const gold = { attribute: "rank", equals: "gold" };
const quiet = { not: { received: { within_days: 7 } } };
const event = (type, within_days, more) => ({ event: { type, within_days, ...more } });

/** The rules, by the name under which they are shown. */
const RULES = [
  ["everyone", { everyone: true }],
  ["rank is gold (1 of 10)", gold],
  ["rank is not bronze (6 of 10 are)", { not: { attribute: "rank", equals: "bronze" } }],
  ["gold, 2 purchases in 30 days, no message in 7", { all: [gold, event("purchase", 30, { count: { gte: 2 } }), quiet] }],
  ["gold, 3 views in 365 days, no message in 7", { all: [gold, event("product_viewed", 365, { count: { gte: 3 } }), quiet] }],
  ["3 views in 365 days, alone", event("product_viewed", 365, { count: { gte: 3 } })],
  ["1 view in 30 days, alone", event("product_viewed", 30)],
  ["purchases of 20,000 yen in 90 days", event("purchase", 90, { sum: { property: "total", gte: 20_000 } })],
  ["no purchase for 180 days", event("purchase", undefined, { last: { older_than_days: 180 } })],
  ["friends who are not linked", { link: { linked: false } }],
];

async function measured(size) {
  const state = ownFolder("segments");
  const worker = await Worker.start({ folder: BUILD, vars: VARS }, state);
  try {
    const account = await furnish(worker, MIGRATIONS);
    say(`${size} members, ${size * EVENTS_EACH} events`);
    const database = await worker.database();
    await fill(database, account, size);
    const rules = [];
    for (const [name, rule] of RULES) rules.push({ name, ...(await asked(worker, rule)) });
    await checked(database, account, rules);
    const ingestion = await ingested(worker, size);
    return { size, events: size * EVENTS_EACH, rules, ingestion, peak_mb: peakMemory(worker.pid) };
  } finally {
    await worker.stop();
    rmSync(state, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** A number below `below` that looks drawn, is the same in every run, and has nothing to do with one of another salt. */
const drawn = (n, salt, below) => {
  const spread = `(${n} * ${1_103_515_245 + salt * 1_000_003} % 2147483647)`;
  return `(${spread} * (${spread} % 65521 + 1) % 2147483647 % ${below})`;
};

/**
 * Members who are linked, nine of ten of them friends, and a few friends who are linked to nobody; three attributes each; events
 * over a year, half of them views and 8 in 100 purchases; up to three messages each within 90 days.
 */
async function fill(database, account, size) {
  const now = Date.now();
  const indexes = await database.prepare(`SELECT name, sql FROM sqlite_schema WHERE name IN (${INDEXES.map((name) => `'${name}'`)})`).all();
  for (const { name } of indexes.results) await database.prepare(`DROP INDEX ${name}`).run();
  const insert = async (into, select, count) => {
    for (let from = 0; from < count; from += AT_ONCE) {
      const to = Math.min(from + AT_ONCE, count);
      const numbers = `WITH RECURSIVE t (n) AS (SELECT ${from + 1} UNION ALL SELECT n + 1 FROM t WHERE n < ${to})`;
      await database.prepare(`INSERT INTO ${into} ${numbers} ${select}`).run();
    }
  };
  const a = `'${account}'`;
  await insert(
    "line_users (id, account, line_user_id, subject, friend, friend_since, friendship_event, created_at)",
    `SELECT n, ${a}, 'U' || printf('%032x', n), 'sub' || n, ${drawn("n", 1, 10)} > 0, ${now} - ${drawn("n", 2, 700)} * ${DAY}, 'e', 1 FROM t`,
    size + Math.ceil(size / 20),
  );
  await insert("members (id, account, member_id, created_at, updated_at)", `SELECT n, ${a}, 'm' || n, 1, 1 FROM t`, size);
  // Who is linked to whom goes criss-cross, as it does in a shop that is older than its account.
  const member = `(n * 7919 % ${size}) + 1`;
  await insert(
    "links (account, line_user, member_id, link_id, linked_at, member)",
    `SELECT ${a}, n, 'm' || (${member}), 'l' || n, ${now} - ${drawn("n", 3, 700)} * ${DAY}, ${member} FROM t`,
    size,
  );
  const rank = `CASE WHEN ${drawn("n", 4, 10)} < 6 THEN 'bronze' WHEN ${drawn("n", 4, 10)} < 9 THEN 'silver' ELSE 'gold' END`;
  const attribute = (name, kind, value) =>
    insert("attributes (account, member, name, kind, value, updated_at)", `SELECT ${a}, n, '${name}', '${kind}', ${value}, 1 FROM t`, size);
  await attribute("rank", "text", rank);
  await attribute("points", "number", `${drawn("n", 5, 10_000)}`);
  await attribute("birthday", "date", `date(${drawn("n", 6, 20_000)} * 86400, 'unixepoch')`);
  const count = size * EVENTS_EACH;
  const which = drawn("n", 7, 100);
  const kind = `CASE WHEN ${which} < 50 THEN 'product_viewed' WHEN ${which} < 58 THEN 'purchase' WHEN ${which} < 80 THEN 'cart_updated' WHEN ${which} < 90 THEN 'wishlist_added' ELSE 'shipped' END`;
  await insert(
    "events (account, id, member, type, occurred_at, received_at, properties)",
    `SELECT ${a}, 'e' || n, ${drawn("n", 8, size)} + 1, ${kind}, CAST(${now - 365 * DAY} + n * ${(365 * DAY) / count} AS INTEGER), 1,
       '{"order_id":"o' || n || '","total":' || ${drawn("n", 9, 20_000)} || '}' FROM t`,
    count,
  );
  for (const days of [80, 40, 20, 3]) {
    await insert(
      "receipts (account, line_user, at, send, outcome)",
      `SELECT ${a}, n, ${now - days * DAY}, ${days}, 1 FROM t WHERE ${drawn("n", days, 10)} < 7`,
      size,
    );
  }
  for (const { sql } of indexes.results) await database.prepare(sql).run();
  await database.prepare("INSERT INTO event_days (account, type, day, events) SELECT account, type, occurred_at / 86400000, count(*) FROM events GROUP BY 1, 2, 3").run();
}

/** How long a count and a page take: the median of a few, and the CPU of the process. */
async function asked(worker, rule) {
  const times = { count: [], page: [] };
  let answer;
  const before = worker.used();
  for (let round = 0; round < ROUNDS; round += 1) {
    const count = await call(worker, "/v1/segments/count", { rule });
    const page = await call(worker, "/v1/segments/members", { rule, limit: 1_000 });
    times.count.push(count.took);
    times.page.push(page.took);
    answer = JSON.parse(count.body);
  }
  const cpu = usedSince(before, worker.used()) / 1000 / ROUNDS;
  return { rule, reachable: answer.reachable, count: answer.count, count_ms: median(times.count), page_ms: median(times.page), cpu_ms: cpu };
}

/** The three-condition rule once more, as anybody would ask it: by going through each member. */
async function checked(database, account, rules) {
  const { reachable } = rules.find(({ name }) => name.startsWith("gold, 2 purchases"));
  const sql = `SELECT count(*) AS n FROM links l JOIN line_users u ON u.id = l.line_user WHERE l.account = ?1 AND u.friend = 1
    AND EXISTS (SELECT 1 FROM attributes a WHERE a.account = ?1 AND a.member = l.member AND a.name = 'rank' AND a.value = 'gold')
    AND (SELECT count(*) FROM events e INDEXED BY events_by_member WHERE e.account = ?1 AND e.member = l.member AND e.type = 'purchase' AND e.occurred_at >= ?2) >= 2
    AND NOT EXISTS (SELECT 1 FROM receipts r WHERE r.account = ?1 AND r.line_user = l.line_user AND r.at >= ?3)`;
  const now = Date.now();
  const plain = await database.prepare(sql).bind(account, now - 30 * DAY, now - 7 * DAY).first("n");
  // Time goes on meanwhile, and a few events leave the thirty days.
  if (Math.abs(plain - reachable) > 2 + reachable / 1_000) throw new Error(`the rule reaches ${reachable}, and there are ${plain}`);
}

/** Events that are put in by calls, one call after the other. */
async function ingested(worker, size) {
  const now = Date.now();
  const batch = (number) => ({
    events: Array.from({ length: BATCH }, (_, at) => ({
      id: `new-${number}-${at}`,
      member_id: `m${((number * BATCH + at) * 7919) % size + 1}`,
      type: at % 10 === 0 ? "purchase" : "product_viewed",
      occurred_at: new Date(now - at * 1_000).toISOString(),
      properties: at % 10 === 0 ? { order_id: `n${number}-${at}`, total: 1_000 } : { product_id: `p${at}` },
    })),
  });
  const [before, began] = [worker.used(), performance.now()];
  for (let number = 0; number < BATCHES; number += 1) await call(worker, "/v1/events", batch(number));
  const seconds = (performance.now() - began) / 1000;
  return { events_per_second: (BATCH * BATCHES) / seconds, cpu_micros_per_event: usedSince(before, worker.used()) / (BATCH * BATCHES) };
}

function call(worker, path, content) {
  const headers = { authorization: `Bearer ${API_KEY}`, "content-type": "application/json" };
  return new Load(worker.url, { method: "POST", path, headers, body: JSON.stringify(content), status: 200 }).one();
}

function report(results) {
  const rules = results.flatMap(({ size, rules: rows }) =>
    rows.map((row) => [String(size), row.name, String(row.count), String(row.reachable), row.count_ms.toFixed(0), row.page_ms.toFixed(0), row.cpu_ms.toFixed(0)]));
  const events = results.map(({ size, events: stored, ingestion, peak_mb }) =>
    [String(stored), ingestion.events_per_second.toFixed(0), ingestion.cpu_micros_per_event.toFixed(0), String(size), peak_mb.toFixed(0)]);
  return [
    table(["members", "rule", "true of", "reached", "count, ms", "page of 1,000, ms", "CPU of both, ms"], rules),
    table(["events there", "events/s put in", "CPU µs per event", "members", "peak MB"], events),
  ].join("\n\n") + "\n";
}

await grow(SIZES, measured, report);
