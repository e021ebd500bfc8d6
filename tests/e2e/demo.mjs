/**
 * The running stack as the end-to-end tests see it: its addresses, Enishi's REST API, the LINE stand-in, and patience.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

/** `demo.json`: `issuer`, `line_simulator`, `storefront`, `api_key` and more. */
export const demo = JSON.parse(readFileSync(process.env.ENISHI_DEMO, "utf8"));

/**
 * A call to Enishi's API, always to the newest truth (`no-cache`).
 *
 * @returns {Promise<{status: number, headers: Headers, body: any}>}
 */
export function api(method, path, body, headers = {}) {
  return call(method, demo.issuer + path, body, { authorization: `Bearer ${demo.api_key}`, "cache-control": "no-cache", ...headers });
}

/** A call to the stand-in's script interface; anything but success is a mistake of the test. */
export async function sim(method, path, body) {
  const answer = await call(method, demo.line_simulator + path, body);
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

/**
 * A new person at LINE.
 *
 * @param {{friend?: boolean, auto_login?: boolean | "fails"}} [traits]
 * @returns {Promise<string>} the LINE user id
 */
export async function person(name, traits = {}) {
  return (await sim("POST", "/sim/users", { name, friend: false, auto_login: false, ...traits })).userId;
}

/** How often a text stands in a person's chat. */
export async function received(userId, text) {
  const { messages } = await sim("GET", `/sim/users/${userId}/messages`);
  return messages.filter((message) => JSON.stringify(message).includes(text)).length;
}

/**
 * What `look` finds once it finds something; an error after the deadline tells what was seen last.
 *
 * @template T
 * @param {string} what
 * @param {() => Promise<T>} look  falsy, or a throw, means not yet
 * @param {number} [deadline]  milliseconds
 * @param {number} [pace]  milliseconds between looks
 * @returns {Promise<T>}
 */
export async function eventually(what, look, deadline = 20_000, pace = 100) {
  const until = Date.now() + deadline;
  for (;;) {
    let seen;
    try {
      seen = await look();
      if (seen) return seen;
    } catch (error) {
      seen = error;
    }
    assert.ok(Date.now() < until, `not within ${deadline} ms: ${what} (last: ${seen instanceof Error ? seen.message : JSON.stringify(seen)})`);
    await pause(pace);
  }
}

/** Enishi's answer about a friend, once it is as expected. */
export function eventuallyFriend(userId, expected) {
  return eventually(`friend is ${expected}`, async () => {
    const { status, body } = await api("GET", `/v1/friends/${userId}`);
    assert.deepEqual([status, body?.friend], [200, expected]);
    return body;
  });
}

async function call(method, url, body, headers = {}) {
  const json = body === undefined ? {} : { "content-type": "application/json" };
  const response = await fetch(url, {
    method,
    headers: { ...json, ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
    redirect: "manual",
    signal: AbortSignal.timeout(15_000),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: parse(text) };
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text || undefined;
  }
}
