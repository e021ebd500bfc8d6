/**
 * What must happen once, on D1 in workerd, and the limits: many requests at the same moment over many connections.
 */

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, test } from "node:test";

import { Customer } from "../clients/customer.mjs";
import { register, REDIRECT_URI, tokenRequest, unregister, userinfo } from "../clients/provider.mjs";

const verifier = randomBytes(32).toString("base64url");
let shop;

before(async () => {
  shop = await register("once", { token_endpoint_auth_method: "client_secret_post" });
});

after(() => unregister(shop));

/** A code that a customer brought back. */
async function code() {
  const customer = await Customer.named(`一度きり-${randomBytes(3).toString("hex")}`);
  const asked = new URLSearchParams({
    response_type: "code",
    client_id: shop.client_id,
    redirect_uri: REDIRECT_URI,
    scope: "openid offline_access",
    state: "s",
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  });
  const back = await customer.visits(`${shop.issuer}/authorize?${asked}`);
  return back.searchParams.get("code");
}

const ask = (form) => tokenRequest({ client_id: shop.client_id, client_secret: shop.client_secret, ...form });

const exchange = (code) =>
  ask({ grant_type: "authorization_code", code, redirect_uri: REDIRECT_URI, code_verifier: verifier });

const refresh = (refresh_token) => ask({ grant_type: "refresh_token", refresh_token });

/** So many at once, counted by status. */
async function together(count, request) {
  const answers = await Promise.all(Array.from({ length: count }, request));
  return Map.groupBy(answers, ({ status }) => status);
}

test("of a hundred exchanges of one code at once exactly one succeeds", async () => {
  const spent = await code();
  const answers = await together(100, () => exchange(spent));
  assert.deepEqual([answers.get(200)?.length, answers.get(400)?.length], [1, 99]);
  assert.ok(answers.get(400).every(({ body }) => body.error === "invalid_grant"));
  // The others showed that the code had leaked: what it gave is worth nothing.
  const [{ body }] = answers.get(200);
  await assert.rejects(userinfo(body.access_token), /401/);
  assert.equal((await refresh(body.refresh_token)).body.error, "invalid_grant");
  console.log("codes in workerd: 100 exchanges at once, 1 success");
});

test("fifty refreshes of one token at once leave one lineage", async () => {
  const first = (await exchange(await code())).body;
  const answers = await together(50, () => refresh(first.refresh_token));
  assert.deepEqual([...answers.keys()], [200]);
  const successors = new Set(answers.get(200).map(({ body }) => body.refresh_token));
  assert.equal(successors.size, 1);
  const [successor] = successors;
  assert.notEqual(successor, first.refresh_token);
  assert.equal((await refresh(successor)).status, 200, "and it goes on");
  console.log("refreshes in workerd: 50 at once, 1 lineage");
});

test("whoever guesses a secret is told to wait, and the right client is served", async () => {
  const guess = () => ask({ client_secret: "guessed", grant_type: "refresh_token", refresh_token: "x" });
  const answers = await together(30, guess);
  assert.deepEqual([...answers.keys()].sort(), [401, 429]);
  const [told] = answers.get(429);
  assert.ok(Number(told.headers.get("retry-after")) > 0);
  assert.equal(told.body.error, "too_many_requests");
  assert.equal((await refresh("x")).body.error, "invalid_grant", "its own secret counts");
});
