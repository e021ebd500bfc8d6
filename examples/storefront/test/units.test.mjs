/** The small pure parts: targets, words, escaping, sessions, the member file. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { GOODS } from "../goods.mjs";
import { escape, html } from "../html.mjs";
import { DICTIONARIES, language, translator } from "../i18n/index.mjs";
import { formToken, Sessions, tokenFits } from "../session.mjs";
import { Store } from "../store.mjs";
import { safeTarget } from "../target.mjs";

const ORIGIN = "https://shop.example";

test("a target on this shop is kept as a path", () => {
  const kept = {
    "/cart": "/cart",
    "/cart?a=b#c": "/cart?a=b#c",
    "https://shop.example/mypage": "/mypage",
    "https://SHOP.example:443/": "/",
    "cart": "/cart",
    "/mypage?next=//elsewhere.example": "/mypage?next=//elsewhere.example",
  };
  for (const [target, path] of Object.entries(kept)) assert.equal(safeTarget(target, ORIGIN), path, target);
});

test("any other target leads home", () => {
  const others = [
    null, undefined, "", "https://elsewhere.example/cart", "http://shop.example/cart", "https://shop.example:444/",
    "https://shop.example.elsewhere.example/", "https://shop.example@elsewhere.example/", "https://me@shop.example/cart",
    "//elsewhere.example", "///elsewhere.example", "/\\elsewhere.example", "\\\\elsewhere.example", "https:\\\\elsewhere.example",
    "https://shop.example//elsewhere.example", "/.//elsewhere.example", "/a/..//elsewhere.example", "/\t/elsewhere.example",
    "/\n/elsewhere.example", "javascript:alert(1)", "data:text/html,x", "https://", "/login", "/login/line", "/callback?code=x",
    "/logout", `/${"a".repeat(2000)}`,
  ];
  for (const target of others) assert.equal(safeTarget(target, ORIGIN), "/", String(target));
});

test("both languages have the same words with the same blanks", () => {
  const { ja, en } = DICTIONARIES;
  assert.deepEqual(Object.keys(en).sort(), Object.keys(ja).sort());
  const blanks = (words) => [...words.matchAll(/\{\w+\}/g)].map(String).sort();
  for (const key of Object.keys(ja)) {
    assert.deepEqual(blanks(en[key]), blanks(ja[key]), key);
    assert.ok(ja[key].trim() && en[key].trim(), key);
  }
});

test("everything on sale has a name and a note", () => {
  const t = translator("ja");
  for (const { id } of GOODS) assert.ok(t(`goods.${id}.name`) && t(`goods.${id}.note`));
  assert.throws(() => t("no.such.key"));
});

test("the language is the visitor's choice, then the browser's, then Japanese", () => {
  assert.equal(language("en", "ja"), "en");
  assert.equal(language("fr", "en"), "en");
  assert.equal(language("__proto__"), "ja");
  assert.equal(language(null, "en;q=0.2, ja;q=0.9"), "ja");
  assert.equal(language(null, "EN-gb"), "en");
  assert.equal(language(null, "en;q=0"), "ja");
  assert.equal(language(null, "*, ;;q=,"), "ja");
  assert.equal(language(null), "ja");
});

test("html escapes what goes in, and nothing twice", () => {
  assert.equal(escape(`<a href="x" title='y'>&`), "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;");
  assert.equal(String(html`<p>${"<b>"}${html`<i>${"&"}</i>`}${[1, html`<br>`]}${null}${undefined}${false}${0}</p>`), "<p>&lt;b&gt;<i>&amp;</i>1<br>0</p>");
});

test("a form token is good for one session and one purpose", () => {
  const sessions = new Sessions();
  const [one, two] = [sessions.open(), sessions.open()];
  const token = formToken(one, "/logout");
  assert.ok(tokenFits(one, "/logout", token));
  assert.ok(!tokenFits(one, "/cart/add", token));
  assert.ok(!tokenFits(two, "/logout", token));
  assert.ok(!tokenFits(one, "/logout", null));
});

test("a session ends after twelve idle hours, and by renewal", () => {
  let now = 0;
  const sessions = new Sessions(() => now);
  const session = sessions.open();
  now += 11 * 3_600_000;
  assert.equal(sessions.find(session.id), session);
  const renewed = sessions.renew(session);
  assert.equal(sessions.find(session.id), undefined);
  now += 13 * 3_600_000;
  assert.equal(sessions.find(renewed.id), undefined);
});

test("members and carts outlive the process", () => {
  const folder = mkdtempSync(join(tmpdir(), "storefront-"));
  const file = join(folder, "state.json");
  const member = new Store(file).register("さくら");
  const again = new Store(file);
  again.member(member.id).cart.matcha = 2;
  again.link(again.member(member.id), { sub: "s", name: "さくら", picture: null, friend: true, since: "2026-11-22T00:00:00Z" });
  assert.deepEqual(new Store(file).member(member.id).cart, { matcha: 2 });
  rmSync(folder, { recursive: true });
});

test("one LINE login belongs to one member", () => {
  const store = new Store();
  const line = { sub: "s", name: "さくら", picture: null, friend: true, since: "2026-11-22T00:00:00Z" };
  const [one, two] = [store.register("一"), store.register("二")];
  store.link(one, line);
  store.link(two, line);
  assert.equal(one.line, null);
  assert.equal(two.line.sub, "s");
});
