/**
 * The whole path in a real browser against the running stack: login, friend, ID link, webhook, send.
 *
 * In: `ENISHI_DEMO` (the stack's `demo.json`) and `CHROMIUM`. The tests of this file build on each other, as a
 * customer's visits do. Waiting is polling with a deadline.
 */

import assert from "node:assert/strict";
import { createHmac, randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";

import { launch, picture, tapGreenButton, throughLine, visitor } from "./chromium.mjs";
import { api, demo, eventually, eventuallyFriend, person, received, sim } from "./demo.mjs";
import { Walker } from "./walker.mjs";

const GOLD = { attribute: "rank", equals: "gold" };

/** Unique names, so that the file may run again on a stack that has seen it. */
const run = randomUUID().slice(0, 6);

let browser;
let page;
let sakura;
let member;
let sub;
/** Ten customers, `{userId, memberId}`; the first is Sakura, and she and the next two become gold. */
let customers;

before(async () => {
  browser = await launch();
  page = await visitor(browser);
});

after(() => browser?.close());

/** Leaves only three gold members, whatever ran on this stack before. */
async function nobodyElseIsGold() {
  const { body } = await api("POST", "/v1/segments/count", { rule: GOLD });
  assert.equal(body.reachable, 0, "the stack has gold members already: start it with fresh state");
}

async function settled(id) {
  return eventually("the send is done", async () => {
    const { status, body } = await api("GET", `/v1/sends/${id}`);
    assert.equal(status, 200);
    assert.ok(!["partly_failed", "failed", "paused"].includes(body.state), JSON.stringify(body));
    return body.state === "done" && body;
  }, 60_000);
}

describe("a customer", () => {
  test("goes from the shop through LINE and back, is logged in, linked, and a friend", async () => {
    const name = `さくら-${run}`;
    sakura = await person(name);

    await page.goto(demo.storefront);
    await picture(page, "shop-ja");
    await page.getByTestId("add-to-cart").nth(2).click();
    await picture(page, "cart-ja");
    await page.goto(`${demo.storefront}/login`);
    await picture(page, "login-ja");
    await page.getByTestId("line-login").click();
    await throughLine(page, { name, friend: true, seen: (screen) => picture(page, `line-${screen}`) });

    assert.match(await page.getByTestId("logged-in-as").innerText(), new RegExp(name));
    await page.goto(`${demo.storefront}/mypage`);
    await picture(page, "mypage-ja");
    member = await page.getByTestId("member-id").innerText();
    assert.equal(await page.getByTestId("mypage-link-state").innerText(), "LINEにログイン連携中");
    assert.equal(await page.getByTestId("mypage-friend").getAttribute("data-friend"), "true");

    const byMember = await api("GET", `/v1/links?member_id=${member}`);
    assert.equal(byMember.status, 200);
    sub = byMember.body.sub;
    const bySub = await api("GET", `/v1/links/${sub}`);
    assert.deepEqual([bySub.status, bySub.body.member_id], [200, member]);
    await eventuallyFriend(sakura, true);
    assert.deepEqual(page.complaints, []);
  });

  test("keeps the cart over the login", async () => {
    await page.goto(`${demo.storefront}/cart`);
    assert.equal(await page.getByTestId("cart-line").count(), 1);
  });

  test("logs out, logs in again, and is the same member", async () => {
    await page.goto(`${demo.storefront}/mypage`);
    await page.getByTestId("logout").click();
    assert.equal(await page.getByTestId("logged-in-as").count(), 0);
    await tapGreenButton(page);
    await throughLine(page, { name: `さくら-${run}` });
    await page.goto(`${demo.storefront}/mypage`);
    assert.equal(await page.getByTestId("member-id").innerText(), member);

    assert.equal(await new Walker().logIn(sakura), member, "in another browser");
  });

  test("sees the shop in English", async () => {
    const english = await visitor(browser, { locale: "en-GB", viewport: { width: 1100, height: 800 } });
    for (const [path, name] of [["/", "shop-en"], ["/cart", "cart-en"], ["/login", "login-en"], ["/staff", "staff-en"]]) {
      await english.goto(demo.storefront + path);
      assert.equal(await english.locator("html").getAttribute("lang"), "en");
      await picture(english, name);
    }
    assert.deepEqual(english.complaints, []);
    await english.context().close();
  });

  test("sees every page whole on a narrow screen", async () => {
    const { width, height } = page.viewportSize();
    await page.setViewportSize({ width: 320, height: 640 });
    for (const path of ["/", "/cart", "/mypage", "/staff"]) {
      await page.goto(demo.storefront + path);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), path);
    }
    await page.setViewportSize({ width, height });
  });
});

describe("a send", () => {
  test("to the three gold members of ten reaches exactly their three chats, once", async () => {
    await nobodyElseIsGold();
    customers = [{ userId: sakura, memberId: member }];
    for (let number = 2; number <= 10; number += 1) {
      const userId = await person(`客${number}-${run}`);
      customers.push({ userId, memberId: await new Walker().logIn(userId, { friend: true }) });
    }
    assert.equal(new Set(customers.map(({ memberId }) => memberId)).size, 10);
    for (const { userId } of customers) await eventuallyFriend(userId, true);
    for (const { memberId } of customers.slice(0, 3)) {
      const { status } = await api("PUT", `/v1/members/${memberId}`, { attributes: { rank: "gold" } });
      assert.ok(status === 200 || status === 204, String(status));
    }
    assert.equal((await api("POST", "/v1/segments/count", { rule: GOLD })).body.reachable, 3);

    const text = `ゴールド会員さまへ-${run}`;
    const request = { rule: GOLD, messages: [{ type: "text", text }] };
    const key = { "idempotency-key": randomUUID() };
    const sent = await api("POST", "/v1/sends", request, key);
    assert.equal(sent.status, 202, JSON.stringify(sent.body));
    const again = await api("POST", "/v1/sends", request, key);
    assert.equal(again.body.id, sent.body.id, "the same key is the same send");

    const done = await settled(sent.body.id);
    assert.deepEqual([done.targeted, done.accepted, done.excluded, done.failed], [3, 3, 0, 0]);
    const counts = await Promise.all(customers.map(({ userId }) => received(userId, text)));
    assert.deepEqual(counts, [1, 1, 1, 0, 0, 0, 0, 0, 0, 0]);
  });

  test("from the shop's back office does the same by hand", async () => {
    const text = `新茶のご案内-${run}`;
    await page.goto(`${demo.storefront}/staff`);
    await page.getByTestId(`rank-${customers[3].memberId}`).selectOption("gold");
    await page.getByTestId(`save-rank-${customers[3].memberId}`).click();
    assert.equal(await page.getByTestId(`rank-${customers[3].memberId}`).inputValue(), "gold");
    assert.match(await page.getByTestId("gold-count").innerText(), /4人/);
    await picture(page, "staff-ja");
    await page.locator("textarea[name=text]").fill(text);
    await page.getByTestId("send-gold").click();
    await page.locator('[data-testid="send-state"][data-state="done"]').waitFor({ timeout: 60_000 });
    await picture(page, "send-ja");
    assert.equal(await page.getByTestId("send-accepted").innerText(), "4");
    const counts = await Promise.all(customers.map(({ userId }) => received(userId, text)));
    assert.deepEqual(counts, [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]);
    await page.goto(`${demo.line_simulator}/sim/`);
    await picture(page, "line-chats");
  });

  test("passes over a member who has blocked the account", async () => {
    await sim("POST", `/sim/users/${customers[1].userId}/unfollow`);
    await eventuallyFriend(customers[1].userId, false);
    const text = `二人だけ-${run}`;
    const before = (await api("POST", "/v1/segments/count", { rule: GOLD })).body.reachable;
    const sent = await api("POST", "/v1/sends", { rule: GOLD, messages: [{ type: "text", text }] }, { "idempotency-key": randomUUID() });
    const done = await settled(sent.body.id);
    assert.deepEqual([before, done.accepted], [3, 3]);
    assert.deepEqual(await Promise.all(customers.slice(0, 4).map(({ userId }) => received(userId, text))), [1, 0, 1, 1]);
  });
});

describe("the link", () => {
  test("ends from the my-page, and the member stays logged in at the shop", async () => {
    await page.goto(`${demo.storefront}/mypage`);
    assert.match(await page.locator("#unlink-notice").innerText(), /LINEヤフー株式会社/);
    await page.getByTestId("unlink").click();
    assert.equal(await page.getByTestId("mypage-link-state").getAttribute("data-linked"), "false");
    await picture(page, "unlinked-ja");
    assert.equal((await api("GET", `/v1/links?member_id=${member}`)).status, 404);
    assert.equal((await api("GET", `/v1/links/${sub}`)).status, 404);
    assert.equal(await page.getByTestId("member-id").innerText(), member);
  });

  test("is made again from the my-page for the same member", async () => {
    await page.getByTestId("line-login").click();
    await throughLine(page, { name: `さくら-${run}` });
    assert.equal(await page.getByTestId("mypage-link-state").getAttribute("data-linked"), "true");
    assert.equal(await page.getByTestId("member-id").innerText(), member);
    assert.equal((await api("GET", `/v1/links?member_id=${member}`)).body.sub, sub);
  });

  test("to a member who has another is refused", async () => {
    const taken = await api("PUT", `/v1/links/${sub}`, { member_id: customers[4].memberId });
    assert.equal(taken.status, 409);
    assert.ok(taken.body.error && taken.body.error_description, JSON.stringify(taken.body));
    assert.equal((await api("GET", `/v1/links/${sub}`)).body.member_id, member);
  });
});

describe("a webhook", () => {
  const deliver = (body, signature) =>
    fetch(`${demo.issuer}/line/webhook`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(signature && { "x-line-signature": signature }) },
      body,
    });
  const sign = (body) => createHmac("sha256", demo.messaging_channel_secret).update(body).digest("base64");

  test("with a bad signature, or none, is refused", async () => {
    const body = JSON.stringify({ destination: demo.bot_user_id, events: [] });
    assert.equal((await deliver(body, sign(`${body} `))).status, 401);
    assert.equal((await deliver(body, "not base64")).status, 401);
    assert.equal((await deliver(body)).status, 401);
    assert.equal((await deliver(body, sign(body))).status, 200);
  });

  test("of a follow and an unfollow changes the friend", async () => {
    const userId = await person(`友-${run}`);
    await sim("POST", `/sim/users/${userId}/follow`);
    const { since } = await eventuallyFriend(userId, true);
    assert.ok(since, "since when");
    await sim("POST", `/sim/users/${userId}/unfollow`);
    await eventuallyFriend(userId, false);
    await sim("POST", `/sim/users/${userId}/follow`);
    await eventuallyFriend(userId, true);
  });

  test("of a message is acknowledged", async () => {
    const userId = await person(`話-${run}`);
    const text = `こんにちは-${run}`;
    await sim("POST", `/sim/users/${userId}/follow`);
    await sim("POST", `/sim/users/${userId}/message`, { text });
    await eventually("the delivery was answered 200", async () => {
      const { deliveries } = await sim("GET", "/sim/webhooks");
      return deliveries.some(({ body, status }) => body.includes(text) && status === 200);
    });
    await eventuallyFriend(userId, true);
  });
});

describe("Enishi's API", () => {
  test("answers mistakes with typed errors in JSON", async () => {
    const unknown = await api("GET", "/v1/nowhere");
    assert.equal(unknown.status, 404);
    assert.match(unknown.headers.get("content-type"), /application\/json/);
    assert.ok(unknown.body.error && unknown.body.error_description);

    const method = await api("DELETE", "/v1/segments/count");
    assert.equal(method.status, 405);
    assert.match(method.headers.get("allow"), /\bPOST\b/);

    const nobody = await api("GET", "/v1/links?member_id=nobody", undefined, { authorization: "Bearer wrong" });
    assert.equal(nobody.status, 401);
    assert.equal((await api("POST", "/v1/segments/count", { rule: {} })).status, 400);
    assert.equal((await fetch(`${demo.issuer}/nowhere`)).status, 404);
  });

  test("is healthy, and so is the shop", async () => {
    for (const address of [demo.issuer, demo.storefront]) {
      const response = await fetch(`${address}/healthz`);
      assert.equal(response.status, 200);
      assert.match(response.headers.get("content-type"), /application\/json/);
    }
  });
});

describe("the shop's endpoint for logins that others initiate", () => {
  test("refuses a foreign issuer and starts at ours", async () => {
    const start = (query) => fetch(`${demo.storefront}/login/line?${new URLSearchParams(query)}`, { redirect: "manual" });
    assert.equal((await start({ iss: "https://elsewhere.example" })).status, 400);
    const ours = await start({ iss: demo.issuer, target_link_uri: `${demo.storefront}/cart`, login_hint: "hint" });
    assert.ok(ours.headers.get("location").startsWith(`${demo.issuer}/authorize?`));
  });
});

test("LINE's rules were kept throughout", async () => {
  const { violations } = await sim("GET", "/sim/calls");
  assert.deepEqual(violations, []);
});
