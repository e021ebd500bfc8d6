/**
 * An account whose Login channel has an assertion key and no secret: what only WebCrypto in workerd can show is whether the
 * stored key is imported and signs what LINE takes.
 */

import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, randomBytes, randomUUID } from "node:crypto";
import { request } from "node:http";
import { after, before, test } from "node:test";

import { inThePhoneOf, launch, leave, throughLine, visitor } from "./chromium.mjs";
import { demo, person, sim } from "./demo.mjs";

const run = randomUUID().slice(0, 6);
const HOST = `keyed-${run}.localhost`;
const { port } = new URL(demo.issuer);
const ISSUER = `http://${HOST}:${port}`;
const REDIRECT_URI = `${demo.storefront}/callback`;

let browser;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

/** A call to a host of this machine by its address, whatever the resolver knows of the name. */
function call(method, host, path, { headers = {}, body }) {
  return new Promise((answered, failed) => {
    const sent = request({ host: "127.0.0.1", port, method, path, headers: { host: `${host}:${port}`, ...headers } }, async (answer) => {
      const chunks = [];
      for await (const chunk of answer) chunks.push(chunk);
      answered({ status: answer.statusCode, body: JSON.parse(Buffer.concat(chunks).toString()) });
    });
    sent.on("error", failed);
    sent.end(body);
  });
}

/** Puts the account with this credential. */
function putAccount(channelId, credential) {
  return call("PUT", "localhost", `/v1/accounts/${HOST}`, {
    headers: { authorization: `Bearer ${process.env.ENISHI_OPERATOR_KEY}`, "content-type": "application/json" },
    body: JSON.stringify({
      name: "鍵屋",
      login_channel: { channel_id: channelId, credential },
      messaging_channel: { channel_id: `2${channelId}`, secret: randomBytes(16).toString("hex"), bot_user_id: `U${randomBytes(16).toString("hex")}` },
      friend_add: "off",
      clients: [{ client_id: "keyed", client_secret: `keyed-${"x".repeat(32)}`, name: "鍵屋", redirect_uris: [REDIRECT_URI] }],
    }),
  });
}

test("a login channel with an assertion key logs customers in", async () => {
  const channelId = `16${String(parseInt(run, 16)).padStart(8, "0")}`;
  const kid = randomUUID();
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const { kty, n, e } = publicKey.export({ format: "jwk" });
  const public_jwk = { kty, n, e, alg: "RS256", use: "sig" };
  await sim("POST", "/sim/channels", {
    login_channels: [{ channel_id: channelId, assertion_key: { kid, public_jwk }, callback_urls: [`${ISSUER}/line/callback`], name: "Key maker" }],
  });
  const private_jwk = privateKey.export({ format: "jwk" });

  const another = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });
  const mixed = await putAccount(channelId, { kind: "assertion_key", key_id: kid, private_jwk: { ...private_jwk, n: another.n } });
  assert.equal(mixed.status, 400, `the key was not tried out: ${JSON.stringify(mixed.body)}`);
  assert.match(mixed.body.error_description, /not those of one RSA key/);
  const made = await putAccount(channelId, { kind: "assertion_key", key_id: kid, private_jwk });
  assert.deepEqual([made.status, made.body.issuer], [201, ISSUER], JSON.stringify(made.body));

  const name = `鍵-${run}`;
  const page = await visitor(browser);
  await inThePhoneOf(page, await person(name));
  const verifier = randomBytes(32).toString("base64url");
  const asked = new URLSearchParams({
    response_type: "code",
    client_id: "keyed",
    redirect_uri: REDIRECT_URI,
    scope: "openid profile",
    state: run,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  });
  await page.goto(`${ISSUER}/authorize?${asked}`);
  const [back] = await Promise.all([page.waitForRequest((one) => one.url().startsWith(REDIRECT_URI)), throughLine(page)]);
  const code = new URL(back.url()).searchParams.get("code");
  assert.ok(code, back.url());
  const form = { grant_type: "authorization_code", code, redirect_uri: REDIRECT_URI, code_verifier: verifier };
  const basic = Buffer.from(`keyed:keyed-${"x".repeat(32)}`).toString("base64");
  const { status, body } = await call("POST", HOST, "/token", {
    headers: { authorization: `Basic ${basic}`, "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams(form).toString(),
  });
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(JSON.parse(Buffer.from(body.id_token.split(".")[1], "base64url").toString()).name, name);
  await leave(page);

  const { calls } = await sim("GET", "/sim/calls");
  const exchange = calls.findLast(({ path, body: sent }) => path === "/oauth2/v2.1/token" && sent.includes(channelId));
  const sent = new URLSearchParams(exchange.body);
  assert.deepEqual([exchange.status, sent.has("client_secret")], [200, false]);
  const header = JSON.parse(Buffer.from(sent.get("client_assertion").split(".")[0], "base64url").toString());
  assert.deepEqual([header.alg, header.kid], ["RS256", kid]);
});
