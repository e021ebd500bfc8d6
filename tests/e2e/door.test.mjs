/**
 * What only the built worker in workerd can show: how the runtime's headers and bodies come through the door.
 */

import assert from "node:assert/strict";
import { request } from "node:http";
import { test } from "node:test";

import { demo } from "./demo.mjs";

/** One request with the header bytes as they are given; answers status and headers. */
function raw(method, path, headers, body = []) {
  const url = new URL(path, demo.issuer);
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers }, (answer) => {
      answer.resume();
      answer.on("end", () => resolve({ status: answer.statusCode, headers: answer.headers }));
    });
    sent.on("error", reject);
    for (const piece of body) sent.write(piece);
    sent.end();
  });
}

/** The bytes of a text, one character for each, as Node writes header values. */
const bytes = (text) => Buffer.from(text).toString("latin1");

test("a cookie of raw bytes beside ours hides it from nobody", async () => {
  const retry = `/line/retry?client_id=${demo.client_id}&checked=1`;
  const ours = "__Host-enishi-no-auto-login=1";
  for (const theirs of ["seen=tea", bytes("seen=商品"), "seen=\xff\xfe"]) {
    const { status, headers } = await raw("GET", retry, { cookie: `${theirs}; ${ours}` });
    assert.equal(status, 302, theirs);
    assert.ok(headers.location.startsWith(demo.storefront), headers.location);
  }
  assert.equal((await raw("GET", retry, { cookie: bytes("seen=商品") })).status, 400);
});

test("a body that is too large is 413, whether its length is announced or not", async () => {
  const megabyte = Buffer.alloc(1_000_000, "a");
  const pieces = [megabyte, megabyte, megabyte];
  const announced = await raw("POST", "/token", { "content-length": 3_000_000 }, pieces);
  assert.equal(announced.status, 413);
  const unannounced = await raw("POST", "/token", { "transfer-encoding": "chunked" }, pieces);
  assert.equal(unannounced.status, 413);
});

test("a method that nobody knows is 405 and not taken for another", async () => {
  const { status, headers } = await raw("PROPFIND", "/authorize", {});
  assert.equal(status, 405);
  assert.equal(headers.allow, "GET, POST, HEAD");
});

test("files that no code of ours answers ask for https and forbid sniffing too", async () => {
  const { status, headers } = await raw("GET", "/enishi.css", {});
  assert.equal(status, 200);
  assert.equal(headers["x-content-type-options"], "nosniff");
  assert.equal(headers["strict-transport-security"], "max-age=31536000");
});
