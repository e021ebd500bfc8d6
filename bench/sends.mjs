/**
 * What a send costs: from `POST /v1/sends` until it is done, through the built worker in workerd with D1 and Queues as
 * `wrangler.toml` has them, against the LINE stand-in. `README.md` says how to read the result.
 *
 * Options: `--size N` (again for more; 5,000, 100,000 and 1,000,000), `--json`. Exits with 1 if LINE did not take each message
 * exactly once, or answered one call with 429. Listens and calls on loopback only.
 */

import { rmSync } from "node:fs";

import { usedSince } from "./cpu.mjs";
import { API_KEY, at, furnish } from "./enishi.mjs";
import { BUILD, MIGRATIONS, grow, ownFolder, peakMemory, say } from "./growth.mjs";
import { Load } from "./load.mjs";
import { table } from "./report.mjs";
import { LineSimulator } from "./simulator.mjs";
import { median } from "./statistics.mjs";
import { Worker } from "./worker.mjs";

const SIZES = [5_000, 100_000, 1_000_000];
/** Rows that one statement puts into D1. */
const AT_ONCE = 20_000;
/** Recipients of all sends of one size after the first: of small ones there are several, and the median is taken. */
const IN_ALL = 100_000;
/** How often the stand-in is asked how many messages it has, in milliseconds: that costs the worker nothing. */
const EVERY = 100;
/** After so long it is taken for stuck, in milliseconds. */
const PATIENCE = 30 * 60_000;
const MESSAGES = [{ type: "text", text: "新茶が入りました。会員の皆さまに、先にお知らせします。" }];
const SEND = { rule: { attribute: "rank", equals: "gold" }, messages: MESSAGES };
const SENDS = "enishi-sends";

/** Sends of this size, one after another, in processes of their own. */
async function measured(size) {
  const folder = ownFolder("sends");
  const line = await LineSimulator.start(process.env.ENISHI_LINE, folder);
  const worker = await Worker.start({ folder: BUILD, vars: at(line.url), works: true });
  try {
    const times = Math.max(1, Math.floor(IN_ALL / size));
    say(`${size} recipients, ${times} times`);
    const account = await furnish(worker, MIGRATIONS);
    await fill(worker, account, await line.friends(size));
    const first = await sent(worker, line, size);
    const sends = [];
    while (sends.length < times) sends.push(await sent(worker, line, size));
    const of = (name) => median(sends.map((send) => send[name]));
    const [seconds, cpu, runs] = [of("seconds"), of("cpu"), of("runs")];
    return {
      size,
      times,
      seconds,
      cpu_seconds: cpu / 1e6,
      cpu_micros_per_recipient: cpu / size,
      first_cpu_seconds: first.cpu / 1e6,
      runs,
      cpu_millis_per_run: cpu / 1000 / runs,
      peak_mb: peakMemory(worker.pid),
    };
  } finally {
    await worker.stop();
    await line.stop();
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/**
 * One send to everybody, from the request until it is done: seconds, microseconds of CPU, and runs of the consumer. Nobody has had
 * a message before.
 */
async function sent(worker, line, size) {
  await (await worker.database()).prepare("DELETE FROM receipts").run();
  const token = await line.token();
  const [before, there] = [await counted(worker), await line.sent(token)];
  const [began, used] = [performance.now(), worker.used()];
  const { id } = await api(worker, "POST", "/v1/sends", SEND);
  const taken = async () => (await line.sent(token)) - there;
  await until(async () => (await taken()) >= size, began);
  let send;
  await until(async () => {
    send = await api(worker, "GET", `/v1/sends/${id}`);
    return !["scheduled", "expanding", "sending"].includes(send.state);
  }, began);
  const [took, cpu] = [performance.now() - began, usedSince(used, worker.used())];
  if ((await taken()) !== size || send.accepted !== size) throw new Error(`${size} recipients: LINE took ${await taken()}, the send says ${JSON.stringify(send)}`);
  return { seconds: took / 1000, cpu, runs: (await counted(worker)) - before };
}

/** Members who are friends and linked, as logins and the shop's calls would have left them. */
async function fill(worker, account, users) {
  const database = await worker.database();
  for (let from = 0; from < users.length; from += AT_ONCE) {
    const some = JSON.stringify(users.slice(from, from + AT_ONCE));
    const insert = (sql) => database.prepare(sql).bind(account, some);
    await database.batch([
      insert("INSERT INTO line_users (account, line_user_id, subject, friend, friend_since, friendship_at, created_at) SELECT ?1, value, 's' || value, 1, 1, 1, 1 FROM json_each(?2)"),
      insert("INSERT INTO links (account, line_user, member_id, link_id, linked_at) SELECT ?1, u.id, 'm' || value, value, 1 FROM json_each(?2) CROSS JOIN line_users u ON u.account = ?1 AND u.line_user_id = value"),
      insert("INSERT INTO attributes (account, member, name, kind, value, updated_at) SELECT ?1, m.id, 'rank', 'text', 'gold', 1 FROM json_each(?2) CROSS JOIN members m ON m.account = ?1 AND m.member_id = 'm' || value"),
    ]);
  }
}

/** Waits until this is so. */
async function until(isSo, began) {
  do {
    if (performance.now() - began > PATIENCE) throw new Error("the send is stuck");
    await new Promise((later) => setTimeout(later, EVERY));
  } while (!(await isSo()));
}

async function api(worker, method, path, content) {
  const headers = { authorization: `Bearer ${API_KEY}`, "content-type": "application/json" };
  const load = new Load(worker.url, { method, path, headers, body: content && JSON.stringify(content), status: method === "POST" ? 202 : 200 });
  return JSON.parse((await load.one()).body);
}

/** How often the consumer of sends has run. */
async function counted(worker) {
  return JSON.parse((await new Load(worker.url, { path: "/counted", status: 200 }).one()).body)[SENDS] ?? 0;
}

function report(results) {
  const head = ["recipients", "sends", "seconds", "CPU s", "CPU µs per recipient", "consumer runs", "CPU ms per run", "peak MB", "first send, CPU s"];
  const row = (one) => [
    String(one.size),
    String(one.times),
    one.seconds.toFixed(1),
    one.cpu_seconds.toFixed(2),
    one.cpu_micros_per_recipient.toFixed(2),
    String(one.runs),
    one.cpu_millis_per_run.toFixed(1),
    one.peak_mb.toFixed(0),
    one.first_cpu_seconds.toFixed(2),
  ];
  return `${table(head, results.map(row))}\n`;
}

await grow(SIZES, measured, report);
