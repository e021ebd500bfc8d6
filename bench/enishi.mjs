/**
 * Enishi as the benchmark's subject: a state with one account, one link and one session, and the requests that are
 * measured.
 *
 * The account is made through the worker's own API, as an operator makes it, and the access token by a code; link and
 * session go straight into D1, because otherwise they would take a login at LINE. Nothing here is a secret of anybody's.
 */

import { createHash, hkdfSync, randomUUID } from "node:crypto";

import { statements } from "../tests/migrations.mjs";
import { BOT, CHANNEL_SECRET, LINE_USER } from "./deliveries.mjs";
import * as flow from "./flow.mjs";
import { Load, check } from "./load.mjs";
import { Worker } from "./worker.mjs";

const MASTER_KEY = Buffer.alloc(32, "enishi benchmark");
/** Nothing listens on port 9, so that a call to LINE would be seen as a wrong answer. */
const LINE = "http://127.0.0.1:9";

/** The vars that a worker runs with which has LINE there. */
export const at = (line) => ({
  MASTER_KEY: MASTER_KEY.toString("base64url"),
  LINE_ACCESS_BASE: line,
  LINE_API_BASE: line,
  LINE_API_DATA_BASE: line,
});

/** The vars of a worker that calls no LINE. */
export const VARS = at(LINE);

export const API_KEY = "benchmark-api-key-0123456789abcdefghijkl";
const SESSION = "benchmark-session-0123456789abcdefghijklmn";
const SESSION_LASTS = 12 * 60 * 60 * 1000;
const SHOP = "http://127.0.0.1:8789";
const LOGIN_CHANNEL = { channel_id: "1234567890", credential: { kind: "secret", secret: "1234567890abcdef1234567890abcdef" } };

export const ACCOUNT = {
  name: "Benchmark",
  login_channel: LOGIN_CHANNEL,
  messaging_channel: { channel_id: "1234567891", secret: CHANNEL_SECRET, bot_user_id: BOT },
  friend_add: "normal",
  clients: [
    {
      client_id: flow.CLIENT.client_id,
      client_secret: flow.CLIENT.client_secret,
      name: "Shop",
      redirect_uris: [flow.CLIENT.redirect_uri],
      initiate_login_uri: `${SHOP}/login/line`,
      home_uri: `${SHOP}/`,
    },
  ],
  api_key: API_KEY,
};

/**
 * What the requests need to know of a prepared state.
 *
 * @typedef {object} Prepared
 * @property {string} account  its id
 * @property {string} accessToken  of the customer, for an hour
 * @property {{sealed: string, stored: string}} links  the paths of two auto-login links, the stored one known to KV
 */

/**
 * Fills a state folder: tables, the account, the customer with link and session, an access token, auto-login links.
 *
 * @param {string} folder  of the built worker
 * @param {string} migrations  the folder of its migrations
 * @param {string} state
 * @returns {Promise<Prepared>}
 */
export async function prepare(folder, migrations, state) {
  const worker = await Worker.start({ folder, vars: VARS }, state);
  try {
    const account = await furnish(worker, migrations);
    const database = await worker.database();
    await database.batch(customer(database, account));
    const answer = await new Load(worker.url, token).one();
    check("/token", flow.isTokens, answer);
    const links = { sealed: await makeLink(worker.url, "sealed"), stored: await makeLink(worker.url, "stored") };
    await new Load(worker.url, opened(links.stored)).one();
    return { account, accessToken: JSON.parse(answer.body).access_token, links };
  } finally {
    await worker.stop();
  }
}

/** Makes the tables and the account. @returns {Promise<string>} its id */
export async function furnish(worker, migrations) {
  const database = await worker.database();
  await database.batch(statements(migrations).map((statement) => database.prepare(statement)));
  await putAccount(worker.url);
  return (await database.prepare("SELECT id FROM accounts").first()).id;
}

/** The rows that a login and the shop's link would have made. */
function customer(database, account) {
  const { sub, name, member_id } = flow.CUSTOMER;
  const row = (sql, ...values) => database.prepare(sql).bind(account, ...values);
  const now = Date.now();
  return [
    row("INSERT INTO line_users (id, account, line_user_id, subject, name, friend, created_at) VALUES (1, ?, ?, ?, ?, 1, 0)", LINE_USER, sub, name),
    row("INSERT INTO links (account, line_user, member_id, link_id, linked_at) VALUES (?, 1, ?, 'benchmark', 0)", member_id),
    row(
      `INSERT INTO sessions (account, sid, token_digest, line_user, auth_time, amr, created_at, expires_at)
       VALUES (?, 'benchmark', ?, 1, ?, '["linesso"]', ?, ?)`,
      createHash("sha256").update(SESSION).digest("base64url"), now, now, now + SESSION_LASTS,
    ),
  ];
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

/** An auto-login link to a page of the shop, of this type. @returns {Promise<string>} its path */
async function makeLink(url, type) {
  const { client_id } = flow.CLIENT;
  const link = { type, client_id, target: `${SHOP}/tea/sencha?size=100`, label: "新茶のご案内", campaign: "spring", context: { store: "渋谷", coupon: "A1" } };
  const asked = {
    method: "POST", path: "/v1/auto-login-links", body: JSON.stringify(link), status: 201,
    headers: { authorization: `Bearer ${API_KEY}`, "content-type": "application/json" },
  };
  return new URL(JSON.parse((await new Load(url, asked).one()).body).url).pathname;
}

/** A customer who taps an auto-login link: on to the shop's login start. */
export function opened(path) {
  return { path, status: 302, location: `${SHOP}/login/line?` };
}

export const discovery = { path: "/.well-known/openid-configuration", status: 200 };
export const jwks = { path: "/jwks.json", status: 200 };

/** A customer without a session: on to LINE. */
export const login = { path: flow.AUTHORIZE, status: 302, location: `${LINE}/oauth2/v2.1/authorize?` };

/** What the stub of LINE knows: the channel, and the customer. */
export const AT_LINE = {
  CHANNEL_ID: LOGIN_CHANNEL.channel_id,
  CHANNEL_SECRET: LOGIN_CHANNEL.credential.secret,
  LINE_USER,
  NAME: flow.CUSTOMER.name,
};

/**
 * The returning customer's browser back from LINE, with the cookie and the state of an attempt that began just before, since
 * an attempt completes once. The code carries the attempt's nonce, for the stub of LINE.
 *
 * @type {import("./load.mjs").Supply}
 */
export async function callbacks(url, count) {
  const begun = await flow.answersOf(url, { path: flow.AUTHORIZE, status: 302 }, count);
  return begun.map(({ headers }) => {
    const asked = new URL(headers.location).searchParams;
    const cookie = headers["set-cookie"].map((line) => line.split(";")[0]).join("; ");
    const query = new URLSearchParams({ code: `${randomUUID()}.${asked.get("nonce")}`, state: asked.get("state") });
    return { path: `/line/callback?${query}`, headers: { cookie }, status: 302, location: `${flow.CLIENT.redirect_uri}?code=` };
  });
}

/** The customer with a session: back to the shop. */
const COOKIE = `__Host-enishi-session=${SESSION}`;

export const authorize = flow.authorize(COOKIE, 302);

/** A request that the shop pushed, and the same customer's browser that opens one. */
export const { push } = flow;
export const opening = flow.openings(COOKIE, 302);

export const token = flow.exchanges(authorize);
export const refresh = flow.refreshes(flow.authorize(COOKIE, 302, { scope: `${flow.CLIENT.scope} offline_access` }));

/** The shop's question who an access token speaks for. */
export function userinfo(accessToken) {
  return { path: "/userinfo", headers: { authorization: `Bearer ${accessToken}` }, status: 200 };
}

/** The shop's look-up of a link; `fresh` goes past the cache. */
export function lookUp({ fresh }) {
  return {
    path: `/v1/links/${flow.CUSTOMER.sub}`,
    headers: { authorization: `Bearer ${API_KEY}`, ...(fresh && { "cache-control": "no-cache" }) },
    status: 200,
  };
}

/** Whether an answer says what it should, beyond what all answers are held against; by the row's id. */
export const right = {
  discovery: ({ body }) => JSON.parse(body).authorization_endpoint.endsWith("/authorize"),
  jwks: ({ body }) => JSON.parse(body).keys.some(({ kty, kid }) => kty === "RSA" && kid),
  authorize: ({ headers }) => headers["set-cookie"].length > 0,
  callback: (answer) => flow.isCode(answer) && sets(answer, "session"),
  go_sealed: isTicket,
  go_stored: isTicket,
  authorize_session: flow.isCode,
  par: flow.isPushed,
  authorize_pushed: flow.isCode,
  token: flow.isTokens,
  refresh: flow.isRefreshed,
  userinfo: ({ body }) => Object.entries(flow.CUSTOMER).every(([name, value]) => JSON.parse(body)[name] === value),
  webhook_1: ({ body }) => body === "",
  webhook_100: ({ body }) => body === "",
  follow_100: ({ body }) => body === "ok, 100 of 100",
  follow_1: ({ body }) => body === "ok, 1 of 1",
  message_100: ({ body }) => body === "ok, 100 of 100",
  message_1: ({ body }) => body === "ok, 1 of 1",
  link_cached: ({ body }) => JSON.parse(body).member_id === flow.CUSTOMER.member_id,
  link_fresh: ({ body }) => JSON.parse(body).member_id === flow.CUSTOMER.member_id,
};

/** Whether an answer sets this cookie of ours. */
function sets({ headers }, name) {
  return headers["set-cookie"].some((line) => line.startsWith(`__Host-enishi-${name}=`) && !/max-age=0/i.test(line));
}

/** Whether an answer leads to the shop's login start with the page, its context, and a ticket that the browser carries too. */
function isTicket(answer) {
  const asked = new URL(answer.headers.location).searchParams;
  const page = new URL(asked.get("target_link_uri"));
  const context = Object.fromEntries(page.searchParams);
  return (
    page.pathname === "/tea/sencha" &&
    JSON.stringify(Object.entries(context).sort()) === JSON.stringify([["coupon", "A1"], ["size", "100"], ["store", "渋谷"]]) &&
    asked.get("login_hint").startsWith("v1.") &&
    asked.has("iss") &&
    sets(answer, "ticket")
  );
}
