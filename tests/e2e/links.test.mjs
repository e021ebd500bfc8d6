/**
 * The ID link beside the login: ended by the customer, made from the chat, and erased with the person.
 */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";

import { inThePhoneOf, launch, leave, picture, press, tapGreenButton, throughLine, visitor } from "./chromium.mjs";
import { api, demo, eventually, person, sim } from "./demo.mjs";
import { takingEvents } from "./events.mjs";

const run = randomUUID().slice(0, 6);

let browser;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

/** What LINE was told of the end of a member's link, once that is known. */
function told(memberId) {
  return eventually("LINE was told", async () => {
    const { body } = await api("GET", `/v1/link-history?member_id=${memberId}`);
    const [{ ended_by, line_told }] = body.history;
    return line_told !== "owed" && { ended_by, line_told };
  });
}

/** How often LINE took that an authorization has ended. */
async function deauthorized() {
  const { calls } = await sim("GET", "/sim/calls");
  return calls.filter(({ path, status }) => path === "/user/v1/deauthorize" && status === 204).length;
}

const CONTROL = {
  ja: {
    locale: "ja-JP",
    notice: "LINEヤフー株式会社に連携の終了が通知され",
    kept: "連携はそのままです。",
    done: "連携を解除しました",
    nobody: "ショップでLINEログインをしてから",
  },
  en: {
    locale: "en-GB",
    notice: "LY Corporation is informed that the tie has ended",
    kept: "The tie stays as it is.",
    done: "The tie has ended",
    nobody: "log in to the shop with LINE",
  },
};

describe("the customer's own control", () => {
  for (const [language, words] of Object.entries(CONTROL)) {
    test(`says in ${language} that LY Corporation is informed, and ends the link, and LINE is informed`, async () => {
      const name = `解除-${language}-${run}`;
      const page = await visitor(browser, { locale: words.locale });
      await inThePhoneOf(page, await person(name));
      await tapGreenButton(page, "/mypage");
      await throughLine(page);
      const member = await page.getByTestId("member-id").innerText();

      const control = `${demo.issuer}/line/unlink`;
      await page.goto(control);
      assert.equal(await page.locator("html").getAttribute("lang"), language);
      const text = await page.locator("main").innerText();
      assert.ok(text.includes(words.notice) && text.includes(name), text);
      await picture(page, `unlink-${language}`);
      await press(page, "keep");
      assert.ok((await page.locator("main").innerText()).includes(words.kept));
      assert.equal((await api("GET", `/v1/links?member_id=${member}`)).status, 200);

      const before = await deauthorized();
      await page.goto(control);
      await press(page, "unlink");
      assert.equal(await page.locator("h1").innerText(), words.done);
      await picture(page, `untied-${language}`);
      assert.equal((await api("GET", `/v1/links?member_id=${member}`)).status, 404);
      assert.deepEqual(await told(member), { ended_by: "customer", line_told: "told" });
      assert.equal(await deauthorized(), before + 1);

      assert.equal((await page.goto(control)).status(), 401);
      assert.ok((await page.locator("main").innerText()).includes(words.nobody));
      await page.goto(`${demo.storefront}/mypage`);
      assert.equal(await page.getByTestId("mypage-link-state").getAttribute("data-linked"), "false");
      await leave(page);
    });
  }

  test("of the shop's my-page carries the same notice, and LINE is informed as well", async () => {
    const page = await visitor(browser, { locale: "en-GB" });
    await inThePhoneOf(page, await person(`my-page-${run}`));
    await tapGreenButton(page, "/mypage");
    await throughLine(page);
    const member = await page.getByTestId("member-id").innerText();
    assert.match(await page.locator("#unlink-notice").innerText(), /LY Corporation is informed/);
    await picture(page, "mypage-en");
    const before = await deauthorized();
    await press(page, "unlink");
    assert.equal(await page.getByTestId("mypage-link-state").getAttribute("data-linked"), "false");
    assert.deepEqual(await told(member), { ended_by: "unlinked", line_told: "told" });
    assert.equal(await deauthorized(), before + 1);
    await leave(page);
  });
});

/** From the shop's API to LINE's dialog: the address that a friend opens to be tied to a member. */
async function dialog(userId, memberId) {
  const token = await api("POST", "/v1/link-tokens", { line_user_id: userId });
  assert.equal(token.status, 201, JSON.stringify(token.body));
  const { link_token } = token.body;
  const started = await api("POST", "/v1/account-links", { link_token, member_id: memberId, consent: { text: "2026-11" } });
  assert.equal(started.status, 201, JSON.stringify(started.body));
  return started.body.url;
}

describe("a link from the chat", () => {
  test("is made when the friend opens LINE's dialog, by LINE's event", async () => {
    await takingEvents(async (event) => {
      const userId = await person(`会話-${run}`, { friend: true });
      const page = await visitor(browser);
      await inThePhoneOf(page, userId);
      await page.goto(await dialog(userId, `C-${run}`));
      await picture(page, "account-link-ja");
      const { data } = await event("link.made");
      assert.equal(data.member_id, `C-${run}`);
      const { status, body } = await api("GET", `/v1/links?member_id=C-${run}`);
      assert.deepEqual([status, body.line_user_id, body.sub, body.consent.way], [200, userId, data.sub, "account_link"]);
      await leave(page);
    });
  });

  test("is not made for a stranger who opens the address", async () => {
    await takingEvents(async (event) => {
      const stranger = await visitor(browser);
      await inThePhoneOf(stranger, await person(`他人-${run}`));
      await stranger.goto(await dialog(await person(`本人-${run}`, { friend: true }), `S-${run}`));
      const { data } = await event("link.refused");
      assert.deepEqual([data.member_id, data.reason], [`S-${run}`, "line_failed"]);
      assert.equal((await api("GET", `/v1/links?member_id=S-${run}`)).status, 404);
      await leave(stranger);
    });
  });
});

test("a person who is erased is gone from every look-up, and no import brings them back", async () => {
  const userId = await person(`消去-${run}`);
  const page = await visitor(browser);
  await inThePhoneOf(page, userId);
  await tapGreenButton(page, "/mypage");
  await throughLine(page);
  const member = await page.getByTestId("member-id").innerText();
  await leave(page);

  const lookUps = async () => {
    const { body } = await api("GET", `/v1/links?member_id=${member}`);
    return [`/v1/links/${body.sub}`, `/v1/links?member_id=${member}`, `/v1/friends/${userId}`, `/v1/friends/${body.sub}`];
  };
  const paths = await lookUps();
  // Without no-cache, so that what KV keeps is asked.
  const statuses = () => Promise.all(paths.map(async (path) => (await api("GET", path, undefined, { "cache-control": "" })).status));
  assert.deepEqual([await statuses(), await statuses()], [[200, 200, 200, 200], [200, 200, 200, 200]]);

  assert.equal((await api("DELETE", `/v1/members/${member}`)).status, 204);
  assert.deepEqual(await statuses(), [404, 404, 404, 404]);
  assert.equal((await api("GET", `/v1/members/${member}`)).status, 404);

  const { id } = (await api("POST", "/v1/imports", {})).body;
  const part = await fetch(`${demo.issuer}/v1/imports/${id}/parts/1`, {
    method: "PUT",
    headers: { authorization: `Bearer ${demo.api_key}`, "content-type": "text/csv" },
    body: `${member},${userId}\n`,
  });
  const { linked, refused, reasons } = await part.json();
  assert.deepEqual([part.status, linked, refused, reasons], [200, 0, 1, { erased: 1 }]);
  assert.deepEqual(await statuses(), [404, 404, 404, 404]);
});
