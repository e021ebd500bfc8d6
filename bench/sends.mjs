/**
 * What a send costs: from `POST /v1/sends` until it is done, through the built worker in workerd with D1 and Queues as
 * `wrangler.toml` has them, against the LINE stand-in. `README.md` says how to read the result.
 *
 * Options: `--size N` (again for more; 5,000, 100,000 and 1,000,000), `--json`. Exits with 1 if LINE did not take each message
 * exactly once, or answered one call with 429. Listens and calls on loopback only.
 */

import { readFileSync, rmSync } from "node:fs";

import { usedSince } from "./cpu.mjs";
import { API_KEY, at, furnish } from "./enishi.mjs";
import { BUILD, MIGRATIONS, grow, ownFolder, say } from "./growth.mjs";
import { Load } from "./load.mjs";
import { table } from "./report.mjs";
import { LineSimulator } from "./simulator.mjs";
import { Worker } from "./worker.mjs";

const SIZES = [5_000, 100_000, 1_000_000];
/** Rows that one statement puts into D1. */
const AT_ONCE = 20_000;
/** How often the send is asked how far it is, in milliseconds: seldom enough to cost nothing beside the send. */
const EVERY = 1_000;
/** After so long it is taken for stuck, in milliseconds. */
const PATIENCE = 30 * 60_000;
const MESSAGES = [{ type: "text", text: "新茶が入りました。会員の皆さまに、先にお知らせします。" }];
const SENDS = "enishi-sends";

/** One send of this size, in processes of its own. */
async function measured(size) {
  const folder = ownFolder("sends");
  const line = await LineSimulator.start(process.env.ENISHI_LINE, folder);
  const worker = await Worker.start({ folder: BUILD, vars: at(line.url), works: true });
  try {
    say(`${size} recipients`);
    const account = await furnish(worker, MIGRATIONS);
    await fill(worker, account, await line.friends(size), "gold");
    // A first send, to one: what a worker's start costs is no part of the second.
    await fill(worker, account, await line.friends(1), "first");
    await finished(worker, (await api(worker, "POST", "/v1/sends", to("first"))).id, performance.now());
    const before = await counted(worker);
    const [began, used] = [performance.now(), worker.used()];
    const { id } = await api(worker, "POST", "/v1/sends", to("gold"));
    const send = await finished(worker, id, began);
    const [took, cpu] = [performance.now() - began, usedSince(used, worker.used())];
    const taken = (await line.sent(await line.token())) - 1;
    if (taken !== size || send.accepted !== size) throw new Error(`${size} recipients: LINE took ${taken}, the send says ${JSON.stringify(send)}`);
    const runs = (await counted(worker)) - before;
    return { size, seconds: took / 1000, cpu_seconds: cpu / 1e6, cpu_micros_per_recipient: cpu / size, runs, cpu_millis_per_run: cpu / 1000 / runs, peak_mb: peak(worker.pid) };
  } finally {
    await worker.stop();
    await line.stop();
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** A send to everybody of a rank. */
const to = (rank) => ({ rule: { attribute: "rank", equals: rank }, messages: MESSAGES });

/** Members who are friends and linked, as logins and the shop's calls would have left them. */
async function fill(worker, account, users, rank) {
  const database = await worker.database();
  for (let from = 0; from < users.length; from += AT_ONCE) {
    const some = JSON.stringify(users.slice(from, from + AT_ONCE));
    const insert = (sql) => database.prepare(sql).bind(account, some);
    await database.batch([
      insert("INSERT INTO line_users (account, line_user_id, subject, friend, friend_since, friendship_at, created_at) SELECT ?1, value, 's' || value, 1, 1, 1, 1 FROM json_each(?2)"),
      insert("INSERT INTO links (account, line_user, member_id, link_id, linked_at) SELECT ?1, u.id, 'm' || value, value, 1 FROM json_each(?2) CROSS JOIN line_users u ON u.account = ?1 AND u.line_user_id = value"),
      insert(`INSERT INTO attributes (account, member, name, kind, value, updated_at) SELECT ?1, m.id, 'rank', 'text', '${rank}', 1 FROM json_each(?2) CROSS JOIN members m ON m.account = ?1 AND m.member_id = 'm' || value`),
    ]);
  }
}

async function finished(worker, id, began) {
  for (;;) {
    const send = await api(worker, "GET", `/v1/sends/${id}`);
    if (!["scheduled", "expanding", "sending"].includes(send.state)) return send;
    if (performance.now() - began > PATIENCE) throw new Error(`the send is stuck: ${JSON.stringify(send)}`);
    await new Promise((later) => setTimeout(later, EVERY));
  }
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

/** The most memory that a process has held, in megabytes. */
function peak(pid) {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;
}

function report(results) {
  const head = ["recipients", "seconds", "CPU s", "CPU µs per recipient", "consumer runs", "CPU ms per run", "peak MB"];
  const row = (one) => [String(one.size), one.seconds.toFixed(1), one.cpu_seconds.toFixed(2), one.cpu_micros_per_recipient.toFixed(2), String(one.runs), one.cpu_millis_per_run.toFixed(1), one.peak_mb.toFixed(0)];
  return `${table(head, results.map(row))}\n`;
}

await grow(SIZES, measured, report);
