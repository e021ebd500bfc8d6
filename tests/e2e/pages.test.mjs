/**
 * Our own pages in a real browser, whose policies decide whether their forms lead anywhere: the consent to a link, the code
 * for an e-mail address, the confirmation of a logout, and an answer that is posted.
 */

import assert from "node:assert/strict";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";

import { launch, picture, throughLine, visitor } from "./chromium.mjs";
import { api, demo, person, sim } from "./demo.mjs";
import { takingEvents } from "./events.mjs";

const REDIRECT_URI = `${demo.storefront}/callback`;
const HOME = `${demo.storefront}/`;
const run = randomUUID().slice(0, 6);
const verifier = randomBytes(32).toString("base64url");

let browser;
let shop;

before(async () => {
  browser = await launch();
  shop = await register({});
});

after(() => browser?.close());

async function register(differences) {
  const { status, body } = await api("POST", "/v1/clients", {
    name: `頁-${run}`, redirect_uris: [REDIRECT_URI], post_logout_redirect_uris: [HOME], home_uri: HOME, ...differences,
  });
  assert.equal(status, 201, JSON.stringify(body));
  return body;
}

/** Somebody at LINE. @returns {Promise<string>} the name */
async function known(name) {
  await person(name);
  return name;
}

function request({ client_id }, wishes = {}) {
  return new URLSearchParams({
    response_type: "code",
    client_id,
    redirect_uri: REDIRECT_URI,
    scope: "openid profile",
    state: `state-${run}`,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
    ...wishes,
  });
}

/** A form that the shop's backend posts. */
async function byTheShop({ client_id, client_secret }, path, form) {
  const authorization = `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString("base64")}`;
  const response = await fetch(demo.issuer + path, { method: "POST", headers: { authorization }, body: new URLSearchParams(form) });
  return { status: response.status, body: await response.json() };
}

/** What the browser brings back to the shop once `act` is done, whatever the shop makes of it. */
async function broughtBack(page, act) {
  const [back] = await Promise.all([page.waitForRequest((asked) => asked.url().startsWith(REDIRECT_URI)), act()]);
  const brought = back.method() === "POST" ? new URLSearchParams(back.postData()) : new URL(back.url()).searchParams;
  assert.equal(brought.get("state"), `state-${run}`);
  return { method: back.method(), code: brought.get("code"), error: brought.get("error") };
}

async function redeemed(client, code) {
  const form = { grant_type: "authorization_code", code, redirect_uri: REDIRECT_URI, code_verifier: verifier };
  const { status, body } = await byTheShop(client, "/token", form);
  assert.equal(status, 200, JSON.stringify(body));
  return JSON.parse(Buffer.from(body.id_token.split(".")[1], "base64url").toString());
}

const tap = (page, button) => () => page.getByTestId(button).click();

describe("a member who links their LINE account", () => {
  for (const [language, locale, words] of [["ja", "ja-JP", "連携します"], ["en", "en-GB", "This ties the member"]]) {
    test(`sees in ${language} what is tied together, and ties it`, async () => {
      const member_id = `M-${language}-${run}`;
      const pushed = await byTheShop(shop, "/par", request(shop, { member_id, member_label: "花子さま" }));
      assert.equal(pushed.status, 201, JSON.stringify(pushed.body));
      const name = await known(`むすび-${language}-${run}`);
      const page = await visitor(browser, { locale });
      const { client_id } = shop;
      const { request_uri } = pushed.body;
      await page.goto(`${demo.issuer}/authorize?${new URLSearchParams({ client_id, request_uri })}`);
      await throughLine(page, { name });
      await picture(page, `consent-${language}`);
      const text = await page.locator("main").innerText();
      assert.ok(text.includes("花子さま") && text.includes(words), text);
      const { code } = await broughtBack(page, tap(page, "allow"));
      assert.equal((await redeemed(shop, code)).member_id, member_id);
      assert.deepEqual(page.complaints, []);
      await page.context().close();
    });
  }
});

test("a customer proves an e-mail address by the code that the shop mails", async () => {
  await takingEvents(async (event) => {
    const client = await register({ name: `確認-${run}`, email_verification: "code" });
    const name = `めーる-${run}`;
    await sim("POST", "/sim/users", { name, email: "hanako@mail.example" });
    const page = await visitor(browser);
    await page.goto(`${demo.issuer}/authorize?${request(client, { scope: "openid email" })}`);
    await throughLine(page, { name });
    await picture(page, "email-code-ja");
    const { data } = await event("email.code_requested");
    assert.equal(data.email, "hanako@mail.example");
    await page.locator("input[name=code]").fill(data.code);
    const { code } = await broughtBack(page, tap(page, "verify"));
    const claims = await redeemed(client, code);
    assert.deepEqual([claims.email, claims.email_verified], ["hanako@mail.example", true]);
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });
});

test("an answer that is posted reaches the shop by itself", async () => {
  const page = await visitor(browser);
  const posted = broughtBack(page, () => page.goto(`${demo.issuer}/authorize?${request(shop, { response_mode: "form_post", prompt: "none" })}`));
  assert.deepEqual(await posted, { method: "POST", code: null, error: "login_required" });
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test("a logout without a hint is confirmed by the customer, who comes back to the shop", async () => {
  const name = await known(`さよなら-${run}`);
  const page = await visitor(browser);
  const authorize = `${demo.issuer}/authorize?${request(shop)}`;
  await page.goto(authorize);
  await throughLine(page, { name });
  const asked = new URLSearchParams({ client_id: shop.client_id, post_logout_redirect_uri: HOME });
  await page.goto(`${demo.issuer}/logout?${asked}`);
  await picture(page, "logout-ja");
  await page.getByTestId("leave").click();
  await page.waitForURL(HOME);
  const silent = `${demo.issuer}/authorize?${request(shop, { prompt: "none" })}`;
  assert.equal((await broughtBack(page, () => page.goto(silent))).error, "login_required");
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});
