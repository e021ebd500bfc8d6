/** A real browser for the journeys, and pictures of what it saw. */

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

import { demo } from "./demo.mjs";

const SCREENSHOTS = fileURLToPath(new URL("../../target/test/screenshots/", import.meta.url));

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** LINE's in-app browser on an iPhone, as it names itself. */
export const LINE_APP =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Safari Line/15.12.1";

const PHONE = { locale: "ja-JP", viewport: { width: 390, height: 800 } };

/** @returns {Promise<import("playwright-core").Browser>} with a profile of its own */
export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM, args: ARGUMENTS });
}

/**
 * A page of a person who has never been here, with what the browser complained about in `page.complaints`.
 *
 * @param {import("playwright-core").Browser} browser
 */
export async function visitor(browser, options = {}) {
  return pageOf(await browser.newContext({ ...PHONE, ...options }));
}

/** A page of a browser that keeps no cookies, by its settings; it ends with its context. */
export async function cookieless(options = {}) {
  const profile = mkdtempSync(join(tmpdir(), "enishi-e2e-"));
  mkdirSync(join(profile, "Default"));
  const preferences = { profile: { default_content_setting_values: { cookies: 2 } } };
  writeFileSync(join(profile, "Default", "Preferences"), JSON.stringify(preferences));
  const launched = { executablePath: process.env.CHROMIUM, args: ARGUMENTS, ...PHONE, ...options };
  const context = await chromium.launchPersistentContext(profile, launched);
  process.once("exit", () => rmSync(profile, { recursive: true, force: true, maxRetries: 3 }));
  return pageOf(context);
}

async function pageOf(context) {
  context.setDefaultTimeout(20_000);
  // The stand-in's people have addresses of pictures at LINE, but no pictures.
  await context.route("https://*.line-scdn.net/**", (route) => route.abort());
  const page = await context.newPage();
  page.complaints = [];
  page.on("pageerror", (error) => page.complaints.push(error.message));
  page.on("console", (message) => /Content Security Policy/.test(message.text()) && page.complaints.push(message.text()));
  return page;
}

/** Makes the page's browser the one in this person's phone, where LINE knows them. */
export function inThePhoneOf(page, userId) {
  return page.context().addCookies([{ name: "line_sim_user", value: userId, url: demo.line_simulator }]);
}

/** Fails if the browser complained about anything, and ends the visit. */
export async function leave(page) {
  assert.deepEqual(page.complaints, []);
  await page.context().close();
}

/** Saves the whole page, or a part of it. @param {string} name  without extension */
export async function picture(page, name, part) {
  mkdirSync(SCREENSHOTS, { recursive: true });
  const path = `${SCREENSHOTS}${name}.png`;
  await (part ? part.screenshot({ path }) : page.screenshot({ path, fullPage: true }));
}

/**
 * Goes through LINE's screens until the shop is back or we ask something, whichever of them appear: log in, continue,
 * consent.
 *
 * @param {{name?: string, isNew?: boolean, friend?: boolean, cancel?: boolean, seen?: (screen: string) => Promise<void>}} [person]
 *   where LINE asks who it is, `name` is chosen from its list, or typed if nobody of that name is there yet (`isNew`)
 */
export async function throughLine(page, { name, isNew = false, friend = true, cancel = false, seen = async () => {} } = {}) {
  const buttons = page.locator('[data-testid="login-new"], [data-testid="continue"], [data-testid="allow"]');
  for (;;) {
    await page.waitForURL(({ origin }) => [demo.line_simulator, demo.storefront, demo.issuer].includes(origin));
    if (new URL(page.url()).origin !== demo.line_simulator) return;
    const screen = await buttons.first().getAttribute("data-testid");
    await seen(screen);
    if (screen === "login-new" && isNew) await page.locator("input[name=name]").fill(name);
    if (screen === "login-new") await press(page, isNew ? screen : `login-as-${name}`);
    if (screen === "continue") await press(page, "continue");
    if (screen === "allow") {
      const box = page.locator("input[name=friend]");
      if (await box.count()) await box.setChecked(friend);
      await press(page, cancel ? "cancel" : "allow");
    }
  }
}

/** Taps a button or link and waits for the page after it, which may have the same address. */
export function press(page, button) {
  return Promise.all([page.waitForNavigation(), page.getByTestId(button).click()]);
}

/** From the shop's start page, on the way to a page of the shop, through the green button to LINE. */
export async function tapGreenButton(page, target = "/") {
  await page.goto(`${demo.storefront}/login?${new URLSearchParams({ target_link_uri: target })}`);
  await press(page, "line-login");
}
