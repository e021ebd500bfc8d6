/** A real browser for the journeys, and pictures of what it saw. */

import { mkdirSync } from "node:fs";
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
  const context = await browser.newContext({ locale: "ja-JP", viewport: { width: 390, height: 800 }, ...options });
  context.setDefaultTimeout(20_000);
  // The stand-in's people have addresses of pictures at LINE, but no pictures.
  await context.route("https://*.line-scdn.net/**", (route) => route.abort());
  const page = await context.newPage();
  page.complaints = [];
  page.on("pageerror", (error) => page.complaints.push(error.message));
  page.on("console", (message) => /Content Security Policy/.test(message.text()) && page.complaints.push(message.text()));
  return page;
}

/** Saves the whole page. @param {string} name  without extension */
export async function picture(page, name) {
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: `${SCREENSHOTS}${name}.png`, fullPage: true });
}

/**
 * Goes through LINE's screens until the shop is back or we ask something, whichever of them appear: log in, continue,
 * consent.
 *
 * @param {{name?: string, friend?: boolean, cancel?: boolean, seen?: (screen: string) => Promise<void>}} person
 */
export async function throughLine(page, { name, friend = true, cancel = false, seen = async () => {} }) {
  const buttons = page.locator('[data-testid="login-new"], [data-testid="continue"], [data-testid="allow"]');
  for (;;) {
    await page.waitForURL(({ origin }) => [demo.line_simulator, demo.storefront, demo.issuer].includes(origin));
    if (new URL(page.url()).origin !== demo.line_simulator) return;
    const screen = await buttons.first().getAttribute("data-testid");
    await seen(screen);
    if (screen === "login-new") await submit(page, `login-as-${name}`);
    if (screen === "continue") await submit(page, "continue");
    if (screen === "allow") {
      const box = page.locator("input[name=friend]");
      if (await box.count()) await box.setChecked(friend);
      await submit(page, cancel ? "cancel" : "allow");
    }
  }
}

/** Taps a button and waits for the page after it, which may have the same address. */
async function submit(page, button) {
  await Promise.all([page.waitForNavigation(), page.getByTestId(button).click()]);
}

/** From the shop's start page through the green button to LINE. */
export async function tapGreenButton(page) {
  await page.goto(`${demo.storefront}/login`);
  await page.getByTestId("line-login").click();
}
