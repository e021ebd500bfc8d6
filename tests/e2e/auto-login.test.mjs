/**
 * Auto-login links in a real browser: from a message or a rich menu to the shop, logged in, at the page that the link
 * names, with nothing to press on our pages.
 */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";

import { LINE_APP, inThePhoneOf, launch, leave, picture, press, throughLine, visitor } from "./chromium.mjs";
import { api, demo, person, sim } from "./demo.mjs";

const run = randomUUID().slice(0, 6);
const TARGET = `${demo.storefront}/cart?from=rich-menu`;
const CONTEXT = { store: "渋谷", coupon: "A1" };
const LINES_CRAWLER = "facebookexternalhit/1.1;line-poker/1.0";

let browser;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

async function link(differences = {}) {
  const wanted = { client_id: demo.client_id, target: TARGET, label: "新茶のご案内", campaign: `春-${run}`, context: CONTEXT, ...differences };
  const { status, body } = await api("POST", "/v1/auto-login-links", wanted);
  assert.equal(status, 201, JSON.stringify(body));
  return body;
}

/** LINE's in-app browser in somebody's phone; every page that it showed is in `page.shown`. */
async function phone(userId, options = {}) {
  const page = await visitor(browser, { userAgent: LINE_APP, ...options });
  await inThePhoneOf(page, userId);
  page.shown = [];
  page.on("framenavigated", (frame) => page.shown.push(new URL(frame.url()).origin));
  return page;
}

/** Fails unless the shop is open at the page, with the context, for this person. */
async function isThere(page, name) {
  await page.waitForURL((url) => url.origin === demo.storefront);
  const { pathname, searchParams } = new URL(page.url());
  assert.deepEqual([pathname, Object.fromEntries(searchParams)], ["/cart", { from: "rich-menu", ...CONTEXT }]);
  assert.match(await page.getByTestId("logged-in-as").innerText(), new RegExp(name));
}

/** Whose number the my-page shows. */
async function memberId(page) {
  await page.goto(`${demo.storefront}/mypage`);
  return page.getByTestId("member-id").innerText();
}

/** What the report says of one link. */
async function counts(id) {
  const { status, body } = await api("GET", `/v1/reports/auto-login?link=${id}`);
  assert.equal(status, 200, JSON.stringify(body));
  return body;
}

describe("an auto-login link", () => {
  for (const type of ["stored", "sealed"]) {
    test(`that is ${type} opens the shop logged in at its page, and shows nothing of ours on the way`, async () => {
      const name = "花子";
      const userId = await person(name, { auto_login: true });
      const made = await link({ type });
      const first = await phone(userId);
      await first.goto(made.url);
      await throughLine(first);
      await isThere(first, name);
      const member = await memberId(first);
      await leave(first);

      // LINE has the consent now, so that there is nothing to press at all.
      const again = await phone(userId);
      await again.goto(made.url);
      await isThere(again, name);
      assert.deepEqual(again.shown, [demo.storefront]);
      await picture(again, `auto-login-arrival-${type}-ja`);
      assert.equal(await memberId(again), member);
      await leave(again);

      // A friend to whom it was forwarded is the friend, and a session that lives answers at once.
      const friendsName = "太郎";
      const friend = await phone(await person(friendsName, { auto_login: true }), { locale: "en-GB" });
      await friend.goto(made.url);
      await throughLine(friend);
      await isThere(friend, friendsName);
      await picture(friend, `auto-login-arrival-${type}-en`);
      assert.notEqual(await memberId(friend), member);
      friend.shown = [];
      await friend.goto(made.url);
      await isThere(friend, friendsName);
      assert.deepEqual(friend.shown, [demo.storefront]);
      await leave(friend);

      const { totals, browsers, links } = await counts(made.id);
      assert.deepEqual([totals.auto_login, totals.failed, totals.success_rate], [3, 0, 1], JSON.stringify(totals));
      assert.deepEqual(browsers.map((of) => [of.browser, of.auto_login]), [["line_in_app", 3]]);
      assert.deepEqual(links.map((of) => [of.link, of.label, of.campaign]), [[made.id, "新茶のご案内", `春-${run}`]]);
    });
  }

  test("whose login fails keeps page, context and link over the retry page's one button, and is counted with its reason", async () => {
    const name = "美咲";
    const made = await link({ type: "sealed" });
    const page = await phone(await person(name, { auto_login: "fails" }));
    await page.goto(made.url);
    await picture(page, "auto-login-retry-ja");
    await press(page, "go-on");
    await throughLine(page);
    await isThere(page, name);
    await leave(page);

    const { totals, reasons } = await counts(made.id);
    const { failed, retry_pressed, retried_ok, retry_failed, target_lost, success_rate } = totals;
    const expected = { failed: 1, retry_pressed: 1, retried_ok: 1, retry_failed: 0, target_lost: 0, success_rate: 0 };
    assert.deepEqual({ failed, retry_pressed, retried_ok, retry_failed, target_lost, success_rate }, expected);
    assert.deepEqual(reasons.map(({ outcome, count }) => [outcome, count]), [["failed", 1]]);
  });

  test("that LINE's crawler previews shows its label in a small page, and counts for nothing", async () => {
    const made = await link({ label: "新茶 <八十八夜>" });
    const answer = await fetch(made.url, { headers: { "user-agent": LINES_CRAWLER }, redirect: "manual" });
    const text = await answer.text();
    assert.deepEqual([answer.status, answer.headers.get("set-cookie")], [200, null]);
    assert.ok(text.includes('og:title" content="新茶 &lt;八十八夜&gt;"') && text.length < 1_000, text);
    assert.ok(!text.includes(demo.storefront), "it leads nowhere");
    assert.deepEqual((await counts(made.id)).links, []);
  });

  for (const [language, locale, title] of [["ja", "ja-JP", "リンクを開けませんでした"], ["en", "en-GB", "We could not open this link"]]) {
    test(`that was revoked, or was never made, is a page in ${language} with the way to the shop`, async () => {
      const made = await link({ type: "stored" });
      const page = await phone(await person("健", { auto_login: true }), { locale });
      // Once opened it is in KV, which has to forget it.
      assert.equal((await fetch(made.url, { redirect: "manual" })).status, 302);
      assert.equal((await api("DELETE", `/v1/auto-login-links/${made.id}`)).status, 204);
      for (const [address, status] of [[made.url, 410], [`${demo.issuer}/go/nowhere`, 404]]) {
        const answer = await page.goto(address);
        assert.equal(answer.status(), status);
        assert.equal(await page.locator("h1").innerText(), title);
        if (status === 410) await picture(page, `link-over-${language}`);
        await press(page, "go-on");
        await page.waitForURL(`${demo.storefront}/`);
      }
      await leave(page);
    });
  }

  test("that the shop's back office made stands in the rich menu, and a tap there opens the shop logged in", async () => {
    const staff = await visitor(browser);
    await staff.goto(`${demo.storefront}/staff`);
    await staff.getByTestId("link-page").selectOption("/mypage");
    await press(staff, "make-link");
    const uri = await staff.getByTestId("link-url").innerText();
    await picture(staff, "staff-link-ja");
    await leave(staff);
    assert.ok(uri.startsWith(`${demo.issuer}/go/`), uri);

    const area = (label, path) => ({ label, uri: `${demo.storefront}${path}` });
    await sim("POST", "/sim/richmenu", { areas: [area("お品書き", "/"), area("カート", "/cart"), { label: "マイページ", uri }] });
    try {
      const userId = await person("千代", { auto_login: true, friend: true });
      const page = await phone(userId);
      for (const visit of ["first", "again"]) {
        await page.goto(`${demo.line_simulator}/sim/?user=${userId}`);
        if (visit === "first") await picture(page, "auto-login-chat-ja", page.locator(".phone"));
        await Promise.all([page.waitForNavigation(), page.locator(`a[href="${uri}"]`).click()]);
        await throughLine(page);
        await page.getByTestId("member-id").waitFor();
        assert.equal(page.url(), `${demo.storefront}/mypage`);
        assert.match(await page.getByTestId("logged-in-as").innerText(), /千代/);
      }
      await picture(page, "auto-login-mypage-ja");
      await leave(page);
    } finally {
      await sim("POST", "/sim/richmenu", { areas: [] });
    }
  });
});
