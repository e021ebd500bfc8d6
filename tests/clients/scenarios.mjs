/**
 * What every client must live through: login, refresh, prompt=none, a wrong nonce, a cancelled consent, logout, and
 * the rotation of the keys that it knows.
 *
 * In: classes of adapters (`relying-party.mjs`). The tests of one client build on each other, and the rotations on all.
 */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";

import { demo, eventually } from "../e2e/demo.mjs";
import { Customer } from "./customer.mjs";
import { assertSigned, GOODBYE, kids, register, rotate, tokenRequest, unregister, userinfo } from "./provider.mjs";
import { claimsOf, kidOf, Refusal } from "./relying-party.mjs";

/** An emergency lets nothing be signed for 120 seconds. */
const EMERGENCY = 150_000;

/** Unique names, so that the file may run again on a stack that has seen it. */
const run = randomUUID().slice(0, 6);

/** @param {Function[]} adapters */
export function scenarios(adapters) {
  /** With what the tests add: `name` and `customer`, `registered`, `shop`, and `tokens`, the customer's newest. */
  const clients = adapters.map((Adapter) => ({ Adapter, title: Adapter.title }));

  before(async () => {
    for (const client of clients) {
      client.name = `客-${client.title}-${run}`;
      client.registered = await register(client.title, client.Adapter.registration);
      client.shop = await client.Adapter.open(client.registered);
      client.customer = await Customer.named(client.name);
    }
  });

  after(async () => {
    for (const { shop, registered } of clients) {
      shop?.close?.();
      if (registered) await unregister(registered);
    }
  });

  for (const client of clients) describe(client.title, () => alone(client));
  describe("a rotation of the keys", () => ordinaryRotation(clients));
  describe("an emergency rotation of the keys", () => emergencyRotation(clients));
}

function alone(client) {
  test("logs a customer in, and the ID token is theirs, the client's and signed with a published key", async () => {
    client.tokens = await client.customer.logsInAt(client.shop);
    const { sub, access_token, id_token } = client.tokens;
    const claims = claimsOf(id_token);
    assert.deepEqual([claims.iss, claims.aud, claims.sub], [demo.issuer, client.registered.client_id, sub]);
    const { sub: same, name } = await userinfo(access_token);
    assert.deepEqual([same, name], [sub, client.name]);
    await assertSigned(id_token);
  });

  test("refreshes, and the tokens are new ones of the same customer", async () => {
    const refreshed = await client.shop.refresh(client.tokens);
    assert.notEqual(refreshed.access_token, client.tokens.access_token);
    assert.equal((await userinfo(refreshed.access_token)).sub, client.tokens.sub);
    await assertSigned(refreshed.id_token);
    client.tokens = refreshed;
  });

  test("lets a customer with a session in by prompt=none, and nothing is shown", async () => {
    const { url, login } = await client.shop.start({ prompt: "none" });
    const { sub } = await client.shop.finish(await client.customer.passes(url), login);
    assert.equal(sub, client.tokens.sub);
  });

  test("is told login_required by prompt=none where there is no session", async () => {
    await loginRequired(client.shop, await Customer.named(`${client.name}-2`));
  });

  test("refuses an ID token whose nonce is not that of its login", async () => {
    const { url, login } = await client.shop.start();
    assert.ok(url.searchParams.get("nonce"));
    url.searchParams.set("nonce", "of another login");
    const callback = await client.customer.visits(url);
    await assert.rejects(client.shop.finish(callback, login), { reason: "nonce" });
  });

  test("is told access_denied when the customer cancels at LINE's consent", async () => {
    const hesitant = await Customer.named(`${client.name}-3`);
    const { url, login } = await client.shop.start();
    const callback = await hesitant.visits(url, { cancel: true });
    await assert.rejects(client.shop.finish(callback, login), { reason: "access_denied" });
    await loginRequired(client.shop, hesitant);
  });

  test("logs a customer out, who comes back with state and has no session any more", async () => {
    const leaving = await Customer.named(`${client.name}-4`);
    const tokens = await leaving.logsInAt(client.shop);
    const back = await leaving.logsOut(await client.shop.logoutUrl(tokens, GOODBYE, "またね"));
    assert.equal(back.searchParams.get("state"), "またね");
    await loginRequired(client.shop, leaving);
  });
}

async function loginRequired(shop, customer) {
  const { url, login } = await shop.start({ prompt: "none" });
  await assert.rejects(shop.finish(await customer.passes(url), login), { reason: "login_required" });
}

function ordinaryRotation(clients) {
  let old;

  test("publishes new keys at once, beside those that sign", async () => {
    old = await kids();
    for (const { tokens } of clients) assert.ok(old.includes(kidOf(tokens.id_token)));
    await rotate();
    const both = await kids();
    assert.deepEqual(both.filter((kid) => old.includes(kid)).sort(), old.toSorted());
    assert.ok(both.length > old.length, JSON.stringify(both));
  });

  for (const client of clients) {
    test(`goes unnoticed by ${client.title}: the next login and refresh have the known key`, async () => {
      client.tokens = await client.customer.logsInAt(client.shop);
      assert.ok(old.includes(await assertSigned(client.tokens.id_token)));
      client.tokens = await client.shop.refresh(client.tokens);
      assert.ok(old.includes(await assertSigned(client.tokens.id_token)));
    });
  }
}

function emergencyRotation(clients) {
  let compromised;

  test("withdraws the keys that signed, and meanwhile /token asks for patience and spends nothing", async () => {
    compromised = new Set(clients.map(({ tokens }) => kidOf(tokens.id_token)));
    await rotate({ emergency: true });
    assert.deepEqual((await kids()).filter((kid) => compromised.has(kid)), []);
    for (const { shop, tokens } of clients) await assert.rejects(shop.refresh(tokens), Refusal);
    await asksForPatience(clients.find(({ Adapter }) => Adapter.registration.token_endpoint_auth_method === "client_secret_post"));
  });

  test("ends after two minutes with the same refresh tokens and new keys", async () => {
    const [first] = clients;
    assert.ok(compromised, "nothing was withdrawn");
    const pace = 2_000;
    first.tokens = await eventually("the new key signs", () => first.shop.refresh(first.tokens), EMERGENCY, pace);
  });

  for (const client of clients) {
    test(`is seen by ${client.title}, which knew the old keys: refresh and the next login have the new one`, async () => {
      client.tokens = await client.shop.refresh(client.tokens);
      assert.ok(!compromised.has(await assertSigned(client.tokens.id_token)));
      client.tokens = await client.customer.logsInAt(client.shop);
      assert.ok(!compromised.has(await assertSigned(client.tokens.id_token)));
    });
  }
}

/** What the libraries do not show of the refusal. */
async function asksForPatience({ tokens, registered: { client_id, client_secret } }) {
  const { refresh_token } = tokens;
  const { status, headers } = await tokenRequest({ grant_type: "refresh_token", refresh_token, client_id, client_secret });
  assert.equal(status, 503);
  assert.match(headers.get("retry-after"), /^\d+$/);
}
