/**
 * A login as a customer sees it, in Japanese and in English: through, cancelled, and where it fails: the retry page.
 */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";

import { LINE_APP, cookieless, inThePhoneOf, launch, leave, picture, press, tapGreenButton, throughLine, visitor } from "./chromium.mjs";
import { api, demo, person, sim } from "./demo.mjs";

const run = randomUUID().slice(0, 6);
const CART = `${demo.storefront}/cart?from=mail`;

const LANGUAGES = {
  ja: {
    locale: "ja-JP",
    cancelled: "ログインをキャンセルしました",
    failed: "ログインを完了できませんでした",
    again: "もう一度ログインする",
    private: "プライベートブラウズ",
    otherBrowser: "端末の標準のブラウザ",
    cookies: "Cookieを有効にしてください",
  },
  en: {
    locale: "en-GB",
    cancelled: "Login cancelled",
    failed: "We could not complete your login",
    again: "Log in again",
    private: "browsing privately",
    otherBrowser: "your phone's own browser",
    cookies: "Please allow cookies",
  },
};

let browser;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

/** Fails unless the page is Enishi's, in this language, with this title and exactly one thing to press. */
async function isPage(page, language, title) {
  assert.equal(new URL(page.url()).origin, demo.issuer, page.url());
  assert.equal(await page.locator("html").getAttribute("lang"), language);
  assert.equal(await page.locator("h1").innerText(), title);
  assert.equal(await page.locator("a.button, button, input").count(), 1);
  const fits = () => document.documentElement.scrollWidth <= window.innerWidth;
  assert.ok(await page.evaluate(fits), "it is as wide as the screen");
}

/** Whether LINE was asked not to log in by itself, login by login. */
async function autoLoginTurnedOff() {
  const { calls } = await sim("GET", "/sim/calls");
  const logins = calls.filter(({ path }) => path === "/oauth2/v2.1/authorize");
  return logins.map(({ query }) => new URLSearchParams(query).get("disable_auto_login") === "true");
}

async function isLoggedIn(page, name, address) {
  await page.waitForURL(address);
  assert.match(await page.getByTestId("logged-in-as").innerText(), new RegExp(name));
}

for (const [language, words] of Object.entries(LANGUAGES)) {
  const visit = (options = {}) => visitor(browser, { locale: words.locale, ...options });
  const named = (what) => `${what}-${language}-${run}`;

  describe(`in ${language}, a customer`, () => {
    test("logs in and arrives at the page that they wanted", async () => {
      const name = named("来店");
      await person(name);
      const page = await visit();
      await tapGreenButton(page, "/cart?from=mail");
      await throughLine(page, { name });
      await isLoggedIn(page, name, CART);
      await picture(page, `logged-in-${language}`);
      await leave(page);
    });

    test("cancels at LINE and is told that nothing happened", async () => {
      const name = named("やめる");
      const userId = await person(name);
      const page = await visit();
      await tapGreenButton(page);
      await throughLine(page, { name, cancel: true });
      assert.equal(await page.locator("h1").innerText(), words.cancelled);
      await picture(page, `cancelled-${language}`);
      assert.equal(await page.getByTestId("logged-in-as").count(), 0);
      assert.equal((await api("GET", `/v1/friends/${userId}`)).status, 404, "nothing is kept of them");
      await leave(page);
    });

    test("whose phone fails at auto-login meets one button, which logs them in without it, at the page that they wanted", async () => {
      const name = named("失敗");
      const page = await visit({ userAgent: LINE_APP });
      await inThePhoneOf(page, await person(name, { auto_login: "fails" }));
      await tapGreenButton(page, "/cart?from=mail");
      await page.getByTestId("go-on").waitFor();
      await isPage(page, language, words.failed);
      assert.ok((await page.locator("main").innerText()).includes(words.private));
      assert.equal(await page.getByTestId("go-on").innerText(), words.again);
      await picture(page, `retry-${language}`);

      const before = (await autoLoginTurnedOff()).length;
      await press(page, "go-on");
      await throughLine(page);
      await isLoggedIn(page, name, CART);
      assert.deepEqual((await autoLoginTurnedOff()).slice(before), [true]);
      await leave(page);
    });

    test("who fails without auto-login too is told what else may help, and may try again", async () => {
      const name = named("二度");
      const page = await visit({ userAgent: LINE_APP });
      await inThePhoneOf(page, await person(name, { auto_login: "fails" }));
      await tapGreenButton(page, "/cart?from=mail");
      await sim("POST", "/sim/faults", { path: "/oauth2/v2.1/token", kind: "status", status: 500 });
      await press(page, "go-on");
      await throughLine(page);
      await page.getByTestId("help").waitFor();
      await isPage(page, language, words.failed);
      assert.ok((await page.locator("main").innerText()).includes(words.otherBrowser));
      assert.ok((await page.getByTestId("help").getAttribute("href")).startsWith("https://help.line.me/"));
      await picture(page, `retry-again-${language}`);
      await press(page, "go-on");
      await throughLine(page);
      await isLoggedIn(page, name, CART);
      await leave(page);
    });

    test("whose browser keeps no cookies is told so instead of being sent round in circles", async () => {
      const page = await cookieless({ locale: words.locale });
      await page.goto(`${demo.storefront}/login/line?target_link_uri=/cart`);
      await throughLine(page, { name: named("無菓子"), isNew: true });
      await isPage(page, language, words.failed);
      await press(page, "go-on");
      await isPage(page, language, words.cookies);
      await picture(page, `cookies-off-${language}`);
      assert.deepEqual(await page.context().cookies(), []);
      await leave(page);
    });
  });
}

test("a login that LINE finishes in another browser goes on there, at the page, after one tap", async () => {
  const name = `別窓-${run}`;
  const userId = await person(name);
  const first = await visitor(browser);
  await inThePhoneOf(first, userId);
  await tapGreenButton(first, "/cart?from=mail");
  await press(first, "continue");
  // LINE's app hands its callback to the phone's own browser, which has none of the cookies.
  const consent = await first.locator("form").first().getAttribute("action");
  const answered = await first.request.post(new URL(consent, first.url()).href, { form: { decision: "allow" }, maxRedirects: 0 });
  const callback = answered.headers().location;
  assert.ok(callback.startsWith(`${demo.issuer}/line/callback?`), callback);
  await first.context().close();

  const second = await visitor(browser);
  await inThePhoneOf(second, userId);
  await second.goto(callback);
  await isPage(second, "ja", LANGUAGES.ja.failed);
  await picture(second, "retry-other-browser-ja");
  await press(second, "go-on");
  await throughLine(second);
  await isLoggedIn(second, name, CART);
  await leave(second);
});
