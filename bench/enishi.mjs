/**
 * Enishi as the benchmark's subject: a state with one account and one link, and the requests that are measured.
 *
 * The account is made through the worker's own API, as an operator makes it; the link goes straight into D1, because
 * by the API it would take a login at LINE. Nothing here is a secret of anybody's.
 */

import { createHmac, hkdfSync } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { Load } from "./load.mjs";
import { Worker } from "./worker.mjs";

const MIGRATIONS = new URL("../migrations/", import.meta.url);
const MASTER_KEY = Buffer.alloc(32, "enishi benchmark");
/** Nothing listens on port 9, so that a call to LINE would be seen as a wrong answer. */
const LINE = "http://127.0.0.1:9";

/** The vars that the worker runs with. */
export const VARS = {
  MASTER_KEY: MASTER_KEY.toString("base64url"),
  LINE_ACCESS_BASE: LINE,
  LINE_API_BASE: LINE,
  LINE_API_DATA_BASE: LINE,
};

const API_KEY = "benchmark-api-key-0123456789abcdefghijkl";
const CHANNEL_SECRET = "5f2d1c3b4a69788796a5b4c3d2e1f00f";
const BOT = "U0123456789abcdef0123456789abcdef";
const LINE_USER = "Uabcdefabcdefabcdefabcdefabcdefab";
const SUBJECT = "benchmark-subject";
const CLIENT = "shop";
const CALLBACK = "http://127.0.0.1:8789/callback";

const ACCOUNT = {
  name: "Benchmark",
  login_channel: { channel_id: "1234567890", credential: { kind: "secret", secret: "1234567890abcdef1234567890abcdef" } },
  messaging_channel: { channel_id: "1234567891", secret: CHANNEL_SECRET, bot_user_id: BOT },
  friend_add: "normal",
  clients: [
    {
      client_id: CLIENT,
      client_secret: "benchmark-client-secret-0123456789abcdef",
      name: "Shop",
      redirect_uris: [CALLBACK],
      home_uri: "http://127.0.0.1:8789/",
    },
  ],
  api_key: API_KEY,
};

/**
 * Fills a state folder: tables, the account, the link.
 *
 * @param {string} folder  of the built worker
 * @param {string} state
 * @returns {Promise<string>} the account's id
 */
export async function prepare(folder, state) {
  const worker = await Worker.start({ folder, vars: VARS }, state);
  try {
    const database = await worker.database();
    await database.batch(migrations().map((statement) => database.prepare(statement)));
    await putAccount(worker.url);
    const { id } = await database.prepare("SELECT id FROM accounts").first();
    await database.batch([
      database
        .prepare("INSERT INTO line_users (id, account, line_user_id, subject, name, friend, created_at) VALUES (1, ?1, ?2, ?3, 'Aoi', 1, 0)")
        .bind(id, LINE_USER, SUBJECT),
      database.prepare("INSERT INTO links (account, line_user, member_id, link_id, linked_at) VALUES (?1, 1, 'M-0001', 'benchmark', 0)").bind(id),
    ]);
    return id;
  } finally {
    await worker.stop();
  }
}

/** The statements of all migrations, in order. */
function migrations() {
  const files = readdirSync(MIGRATIONS).filter((name) => name.endsWith(".sql")).sort();
  const text = files.map((name) => readFileSync(new URL(name, MIGRATIONS), "utf8")).join("\n");
  return text.replaceAll(/^\s*--.*$/gm, "").split(";").map((statement) => statement.trim()).filter(Boolean);
}

async function putAccount(url) {
  const operator = hkdfSync("sha256", MASTER_KEY, "", "enishi operator api key v1", 32);
  const load = new Load(url, {
    method: "PUT",
    path: "/v1/accounts/localhost",
    headers: { authorization: `Bearer enishi_op_${Buffer.from(operator).toString("base64url")}`, "content-type": "application/json" },
    body: JSON.stringify(ACCOUNT),
    status: 201,
  });
  await load.one();
}

/** What a customer's browser asks when the shop sends it to log in. */
export const authorize = {
  path: `/authorize?${new URLSearchParams({
    response_type: "code",
    client_id: CLIENT,
    redirect_uri: CALLBACK,
    scope: "openid profile",
    state: "af0ifjsldkj2b7d3",
    nonce: "n-0S6_WzA2Mj7c1e",
    code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    code_challenge_method: "S256",
  })}`,
  status: 302,
};

/** A signed delivery from LINE with so many message events. */
export function delivery(events) {
  const body = JSON.stringify({ destination: BOT, events: Array.from({ length: events }, (_, index) => messageEvent(index)) });
  const signature = createHmac("sha256", CHANNEL_SECRET).update(body).digest("base64");
  return {
    method: "POST",
    path: "/line/webhook",
    headers: { "content-type": "application/json; charset=utf-8", "user-agent": "LineBotWebhook/2.0", "x-line-signature": signature },
    body,
    status: 200,
  };
}

function messageEvent(index) {
  const number = String(index).padStart(4, "0");
  return {
    type: "message",
    message: { type: "text", id: `46187649${number}`, quoteToken: `q3Plxr4AgKd${number}`, text: "今日の注文の届く日を教えてください。" },
    webhookEventId: `01KDVDNA02ABCDEFGHJKMN${number}`,
    deliveryContext: { isRedelivery: false },
    timestamp: 1767225600000 + index,
    source: { type: "user", userId: LINE_USER },
    replyToken: `0f1e2d3c4b5a69788796a5b4c3d2${number}`,
    mode: "active",
  };
}

/** The bytes of the queue message that a delivery becomes. */
export function queued(account, { body }) {
  return Buffer.byteLength(JSON.stringify({ v: 1, job: "webhook", account, received_at: Date.now(), body }));
}

/** The shop's look-up of a link; `fresh` goes past the cache. */
export function lookUp({ fresh }) {
  return {
    path: `/v1/links/${SUBJECT}`,
    headers: { authorization: `Bearer ${API_KEY}`, ...(fresh && { "cache-control": "no-cache" }) },
    status: 200,
  };
}

/** Whether the answers say what they should, beyond their status; throws if not. */
export function check(name, { headers, body }) {
  const right = {
    authorize: () => headers.location?.startsWith(`${LINE}/oauth2/v2.1/authorize?`) && headers["set-cookie"]?.length > 0,
    webhook: () => body === "",
    link: () => JSON.parse(body).member_id === "M-0001",
  };
  if (!right[name]()) throw new Error(`a wrong answer to ${name}: ${JSON.stringify(headers)} ${body.slice(0, 500)}`);
}
