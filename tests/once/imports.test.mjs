/**
 * Imports on D1 in workerd: a part of full size, the same part many times at once, and everything out again.
 */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";

import { api, demo } from "../e2e/demo.mjs";

const LINES = 20_000;

/** Nobody else's: other tests share the stack. */
const mark = randomBytes(4).toString("hex");
const lineUser = (number) => `U${mark}${number.toString(16).padStart(24, "0")}`;
const csv = (from, to) =>
  Array.from({ length: to - from }, (_, at) => `${mark}${String(from + at).padStart(6, "0")},${lineUser(from + at)}\r\n`).join("");

const authorization = `Bearer ${demo.api_key}`;

async function put(id, part, body) {
  const url = `${demo.issuer}/v1/imports/${id}/parts/${part}`;
  const headers = { authorization, "content-type": "text/csv" };
  const response = await fetch(url, { method: "PUT", headers, body, signal: AbortSignal.timeout(60_000) });
  return { status: response.status, body: await response.json() };
}

/** Every row of an export, by the addresses in `Link`. */
async function everything(what) {
  const rows = [];
  for (let url = `${demo.issuer}/v1/exports/${what}?limit=7000`; url; ) {
    const response = await fetch(url, { headers: { authorization }, signal: AbortSignal.timeout(60_000) });
    assert.equal(response.status, 200);
    const text = await response.text();
    rows.push(...text.split("\n").filter(Boolean).map(JSON.parse));
    url = /^<(.*)>; rel="next"$/.exec(response.headers.get("link") ?? "")?.[1];
  }
  return rows;
}

test("parts that come many times at once are applied once, and all of it can be taken out again", async () => {
  const begun = await api("POST", "/v1/imports", { consent: { text: "v1" } });
  assert.equal(begun.status, 201, JSON.stringify(begun.body));
  const { id } = begun.body;
  const first = csv(0, LINES);
  const began = performance.now();
  const answer = await put(id, 1, first);
  const took = Math.round(performance.now() - began);
  assert.deepEqual([answer.status, answer.body.linked, answer.body.refused], [200, LINES, 0]);
  // The second part names the last thousand of the first again.
  const second = csv(LINES - 1_000, LINES + 1_000);
  const answers = await Promise.all(Array.from({ length: 12 }, (_, at) => put(id, 1 + (at % 2), at % 2 ? second : first)));
  for (const [at, { status, body }] of answers.entries()) {
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual([body.linked, body.refused], at % 2 ? [1_000, 1_000] : [LINES, 0]);
  }
  assert.equal((await put(id, 2, first)).body.error, "part_differs");
  const finished = await api("POST", `/v1/imports/${id}/finish`, { parts: 2 });
  assert.deepEqual([finished.status, finished.body.totals.reasons], [200, { repeated: 1_000 }]);
  const links = (await everything("links")).filter((link) => link.member_id.startsWith(mark));
  assert.equal(links.length, LINES + 1_000);
  assert.ok(links.every((link) => link.line_user_id === lineUser(Number(link.member_id.slice(mark.length)))));
  assert.equal(new Set(links.map((link) => link.sub)).size, LINES + 1_000);
  console.log(`imports in workerd: ${LINES} lines in ${took} ms, 12 parts at once, 0 lost, 0 done twice`);
});

test("what is no CSV in UTF-8 is refused with a word on what to do", async () => {
  const { id } = (await api("POST", "/v1/imports", {})).body;
  const shiftJis = Buffer.concat([Buffer.from([0x89, 0xef, 0x88, 0xf5]), Buffer.from(`,${lineUser(1)}`)]);
  const refused = await put(id, 1, shiftJis);
  assert.deepEqual([refused.status, refused.body.error], [400, "invalid_csv"]);
  assert.match(refused.body.error_description, /Shift_JIS/);
  assert.equal((await put(id, 1, "x".repeat(1_000_001))).status, 413);
  assert.equal((await put(id, 0, csv(0, 1))).status, 400);
});
