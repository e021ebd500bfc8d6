/**
 * A visitor without a browser: walks redirects with a cookie jar and submits plain HTML forms, so that ten customers
 * can log in within seconds. Like a browser's, its jar knows host names and no ports.
 */

import assert from "node:assert/strict";

import { demo } from "./demo.mjs";

const MOST_STEPS = 20;

export class Walker {
  #jars = new Map();
  #end;

  /** @param {{end?: string}} [options]  an origin where nobody listens: the walk ends there, and its page is empty */
  constructor({ end } = {}) {
    this.#end = end;
  }

  /** Opens an address and follows redirects. @returns {Promise<{url: URL, status?: number, text: string}>} */
  async open(address, options = {}) {
    let url = new URL(address);
    let request = options;
    for (let step = 0; step < MOST_STEPS; step += 1) {
      if (url.origin === this.#end) return { url, text: "" };
      const response = await this.#fetch(url, request);
      const location = response.headers.get("location");
      const text = await response.text();
      if (!location || response.status < 300 || response.status > 399) return { url, status: response.status, text };
      url = new URL(location, url);
      request = {};
    }
    throw new Error(`more than ${MOST_STEPS} redirects, the last to ${url}`);
  }

  /** Submits the form of a page whose action ends so. */
  submit({ url, text }, action, fields) {
    const form = text.split(/<form\b/).slice(1).find((part) => actionOf(part)?.endsWith(action));
    assert.ok(form, `no form for ${action} at ${url}: ${text.slice(0, 500)}`);
    const hidden = [...form.split("</form>")[0].matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)];
    const body = new URLSearchParams(hidden.map(([, name, value]) => [name, decode(value)]));
    for (const [name, value] of Object.entries(fields)) body.set(name, value);
    return this.open(new URL(decode(actionOf(form)), url), { method: "POST", body });
  }

  /**
   * Logs in at the shop as this LINE user, through whatever screens the stand-in shows.
   *
   * @returns {Promise<string>} the member's number
   */
  async logIn(userId, { friend = true } = {}) {
    const page = await this.throughLine(await this.open(`${demo.storefront}/login/line`), userId, { friend });
    assert.deepEqual([page.url.origin, page.status], [demo.storefront, 200], page.text.slice(0, 1000));
    return this.memberId();
  }

  /** From a page of LINE to the first page after it, as this user, who may cancel at the consent. */
  async throughLine(page, userId, { friend = true, cancel = false } = {}) {
    const steps = {
      "/login": { user_id: userId },
      "/continue": { decision: "continue" },
      "/consent": cancel ? { decision: "cancel" } : { decision: "allow", ...(friend && { friend: "true" }) },
      "/friend": { decision: friend ? "allow" : "cancel" },
    };
    for (let screen = 0; page.url.origin === demo.line_simulator; screen += 1) {
      assert.ok(screen < MOST_STEPS, `LINE is left and entered again for ever: ${page.url}`);
      const action = actionOf(page.text.split(/<form\b/)[1] ?? "");
      const step = action?.slice(action.lastIndexOf("/"));
      assert.ok(steps[step], `an unknown screen at ${page.url} (${page.status}): ${page.text.slice(0, 500)}`);
      page = await this.submit(page, step, steps[step]);
    }
    return page;
  }

  /** The number on the my-page. */
  async memberId() {
    const { text } = await this.open(`${demo.storefront}/mypage`);
    const id = /data-testid="member-id">([^<]+)</.exec(text)?.[1];
    assert.ok(id, `not logged in: ${text.slice(0, 500)}`);
    return id;
  }

  async #fetch(url, options) {
    const jar = this.#jar(url.hostname);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { "accept-language": "ja", ...(cookie && { cookie }) };
    const response = await fetch(url, { ...options, headers, redirect: "manual", signal: AbortSignal.timeout(15_000) });
    for (const line of response.headers.getSetCookie()) keep(jar, line);
    return response;
  }

  #jar(host) {
    if (!this.#jars.has(host)) this.#jars.set(host, new Map());
    return this.#jars.get(host);
  }
}

function keep(jar, line) {
  const [, name, value, attributes] = /^\s*([^=;]+)=([^;]*)(.*)$/.exec(line);
  if (/;\s*max-age=(0|-\d+)\b/i.test(attributes)) jar.delete(name);
  else jar.set(name, value);
}

const actionOf = (form) => /^[^>]*\saction="([^"]*)"/.exec(form)?.[1];

const ENTITIES = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'" };

const decode = (text) => text.replace(/&(?:amp|lt|gt|quot|#39);/g, (entity) => ENTITIES[entity]);
