/** A customer with a browser of their own and a LINE account. */

import assert from "node:assert/strict";

import { person } from "../e2e/demo.mjs";
import { Walker } from "../e2e/walker.mjs";
import { GOODBYE, REDIRECT_URI, SHOP } from "./provider.mjs";

export class Customer {
  #userId;
  #browser = new Walker({ end: SHOP });

  constructor(userId) {
    this.#userId = userId;
  }

  /** Somebody whom nobody knows yet. */
  static async named(name) {
    return new Customer(await person(name));
  }

  /** Goes where the shop sends them, through LINE if it asks. @returns {Promise<URL>} where they come back to the shop */
  async visits(url, { cancel = false } = {}) {
    const page = await this.#browser.throughLine(await this.#browser.open(url), this.#userId, { cancel });
    return this.#isBack(page, REDIRECT_URI);
  }

  /** The same without a page in between, since nothing may be shown. */
  async passes(url) {
    return this.#isBack(await this.#browser.open(url), REDIRECT_URI);
  }

  async logsOut(url) {
    return this.#isBack(await this.#browser.open(url), GOODBYE);
  }

  /** The whole login. @returns {Promise<import("./relying-party.mjs").Tokens>} */
  async logsInAt(shop) {
    const { url, login } = await shop.start();
    return shop.finish(await this.visits(url), login);
  }

  #isBack({ url, status, text }, expected) {
    assert.equal(url.origin + url.pathname, expected, `${url} (${status}): ${text.slice(0, 1000)}`);
    return url;
  }
}
