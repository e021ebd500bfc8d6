/** The shop against a provider on loopback: the journeys of a visitor, and what must be refused. */

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, beforeEach, describe, test } from "node:test";

import { createShop } from "../shop.mjs";
import { Store } from "../store.mjs";
import { Browser } from "./browser.mjs";
import { FakeEnishi } from "./fake-enishi.mjs";

let server;
let enishi;
let store;
let config;
let log;

before(async () => {
  enishi = await new FakeEnishi().listen();
});

beforeEach(async () => {
  server?.close();
  server = createServer((request, response) => server.shop(request, response));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${server.address().port}`;
  config = {
    issuer: enishi.issuer,
    client_id: "shop",
    client_secret: "client-secret",
    redirect_uri: `${origin}/callback`,
    api_key: "key",
    line_simulator: "http://127.0.0.1:8788",
  };
  store = new Store();
  log = [];
  server.shop = createShop(config, store, (line) => log.push(line));
  Object.assign(enishi, { next: { sub: "sub-1", name: "さくら", friend: true }, links: new Map(), members: new Map(), sends: new Map(), autoLoginLinks: new Map(), calls: [], broken: null });
});

after(() => {
  server.closeAllConnections();
  server.close();
  enishi.close();
});

const visitor = (headers) => new Browser(new URL(config.redirect_uri).origin, headers);

/** Follows the green button to the provider and back; answers what the callback said. */
async function logIn(browser, path = "/login/line") {
  const start = await browser.get(path);
  assert.equal(start.status, 303, start.text);
  return browser.get(enishi.authorize(start.location));
}

describe("a login", () => {
  test("sends the browser to the provider with state, nonce and PKCE", async () => {
    const { location } = await visitor().get("/login/line?prompt=login&login_hint=ticket");
    const asked = Object.fromEntries(new URL(location).searchParams);
    assert.equal(asked.scope, "openid profile");
    assert.equal(asked.redirect_uri, config.redirect_uri);
    assert.equal(asked.response_type, "code");
    assert.equal(asked.code_challenge_method, "S256");
    assert.equal(asked.prompt, "login");
    assert.equal(asked.login_hint, "ticket");
    assert.ok(asked.state.length >= 32 && asked.nonce.length >= 32);
    assert.equal(asked.target_link_uri, undefined);
  });

  test("tells the provider which page it is for, if it is one of the shop's", async () => {
    const told = async (target) => {
      const { location } = await visitor().get(`/login/line?${new URLSearchParams({ target_link_uri: target })}`);
      return new URL(location).searchParams.get("target_link_uri");
    };
    assert.equal(await told("/cart"), `${new URL(config.redirect_uri).origin}/cart`);
    assert.equal(await told("https://elsewhere.example/cart"), null);
  });

  test("of a new customer registers a member and links it", async () => {
    const browser = visitor();
    const { status, location } = await logIn(browser, "/login/line?target_link_uri=/cart");
    assert.deepEqual([status, location], [303, "/cart"]);
    const [member] = store.members();
    assert.match(member.id, /^M\d{6}$/);
    assert.equal(enishi.links.get("sub-1"), member.id);
    assert.deepEqual(enishi.members.get(member.id), { rank: "regular" });
    const { text } = await browser.get("/mypage");
    assert.match(text, /LINEにログイン連携中/);
    assert.match(text, /友だち追加済み/);
    assert.match(text, /2026年11月23日/, "in Japan's time");
    assert.match(text, /LINEヤフー株式会社/);
  });

  test("of a linked customer arrives as that member, even if the shop lost its record", async () => {
    enishi.links.set("sub-1", "M000123");
    await logIn(visitor());
    assert.equal(store.members().length, 1);
    assert.equal(store.member("M000123").name, "さくら");
    await logIn(visitor());
    assert.equal(store.members().length, 1);
    assert.ok(!enishi.calls.some((call) => call.startsWith("PUT /v1/links")));
  });

  test("changes the session id and keeps the cart", async () => {
    const browser = visitor();
    await browser.submit("/", "/cart/add", { goods: "matcha" });
    const before = browser.session;
    await logIn(browser);
    assert.notEqual(browser.session, before);
    assert.deepEqual(store.members()[0].cart, { matcha: 1 });
    assert.match((await browser.get("/cart")).text, /抹茶「結」/);
  });

  test("that was cancelled says so and offers another try", async () => {
    enishi.next = { error: "access_denied" };
    const { status, text } = await logIn(visitor());
    assert.equal(status, 200);
    assert.match(text, /ログインをキャンセルしました/);
    assert.match(text, /data-testid="line-login"/);
    assert.equal(store.members().length, 0);
  });

  test("is refused when its state is another session's, or is used twice", async () => {
    const mine = await visitor().get("/login/line");
    const back = enishi.authorize(mine.location);
    assert.equal((await visitor().get(back)).status, 400);

    const browser = visitor();
    const start = await browser.get("/login/line");
    const answer = enishi.authorize(start.location);
    assert.equal((await browser.get(answer)).status, 303);
    assert.equal((await browser.get(answer)).location, "/mypage");
    assert.equal(store.members().length, 1);
  });

  test("is refused when the answer names another issuer", async () => {
    const browser = visitor();
    const back = enishi.authorize((await browser.get("/login/line")).location);
    back.searchParams.set("iss", "https://elsewhere.example");
    assert.equal((await browser.get(back)).status, 400);
    assert.equal(store.members().length, 0);
  });

  test("whose ID token carries another nonce is refused", async () => {
    enishi.next = { sub: "sub-1", name: "さくら", nonce: "another" };
    assert.equal((await logIn(visitor())).status, 400);
    assert.equal(store.members().length, 0);
  });

  test("registers nobody when the link is refused", async () => {
    enishi.broken = 409;
    const { status, text } = await logIn(visitor());
    assert.equal(status, 409);
    assert.match(text, /LINE連携ができませんでした/);
    assert.equal(store.members().length, 0);
  });

  test("says that it is not available while the provider cannot be reached, and works once it can", async () => {
    const { issuer } = config;
    config.issuer = "http://localhost:1";
    assert.equal((await visitor().get("/login/line")).status, 503);
    config.issuer = issuer;
    assert.equal((await visitor().get("/login/line")).status, 303);
  });
});

describe("a login that someone else initiates", () => {
  test("is refused when it names an issuer that is not ours", async () => {
    for (const query of ["iss=https://elsewhere.example", `iss=${config.issuer}/`, `iss=${config.issuer}&iss=https://elsewhere.example`, "iss="]) {
      const { status, location } = await visitor().get(`/login/line?${query}`);
      assert.deepEqual([status, location], [400, null], query);
    }
  });

  test("starts when it names ours, and ends at the target", async () => {
    const target = encodeURIComponent(`${new URL(config.redirect_uri).origin}/cart?from=line`);
    const { location } = await logIn(visitor(), `/login/line?iss=${encodeURIComponent(config.issuer)}&target_link_uri=${target}`);
    assert.equal(location, "/cart?from=line");
  });

  test("hands Enishi's ticket on and arrives at the page of an auto-login link, context and all", async () => {
    const page = `${new URL(config.redirect_uri).origin}/cart?coupon=A1&store=%E6%B8%8B%E8%B0%B7`;
    const query = new URLSearchParams({ iss: config.issuer, target_link_uri: page, login_hint: "v1.ticket" });
    const browser = visitor();
    const start = await browser.get(`/login/line?${query}`);
    const asked = new URL(start.location).searchParams;
    assert.deepEqual([asked.get("login_hint"), asked.get("target_link_uri")], ["v1.ticket", page]);
    assert.equal((await browser.get(enishi.authorize(start.location))).location, "/cart?coupon=A1&store=%E6%B8%8B%E8%B0%B7");
  });

  test("never leads out of the shop", async () => {
    const { location } = await logIn(visitor(), "/login/line?target_link_uri=https://elsewhere.example/");
    assert.equal(location, "/");
  });

  test("may be posted, and goes on as the same request by GET", async () => {
    const { status, location } = await visitor().post("/login/line", { iss: config.issuer, login_hint: "ticket", other: "x" });
    assert.equal(status, 303);
    assert.equal(location, `/login/line?iss=${encodeURIComponent(config.issuer)}&login_hint=ticket`);
  });
});

describe("the link", () => {
  test("ends from the my-page, and the member stays logged in", async () => {
    const browser = visitor();
    await logIn(browser);
    assert.equal((await browser.submit("/mypage", "/mypage/unlink")).location, "/mypage");
    assert.equal(enishi.links.size, 0);
    const { text } = await browser.get("/mypage");
    assert.match(text, /LINEとは連携していません/);
    assert.match(text, /data-testid="logged-in-as"/);
  });

  test("is made again for the same member from the my-page", async () => {
    const browser = visitor();
    await logIn(browser);
    const [member] = store.members();
    await browser.submit("/mypage", "/mypage/unlink");
    const { text } = await browser.get("/mypage");
    const button = /href="([^"]+)" data-testid="line-login"/.exec(text)[1].replaceAll("&amp;", "&");
    await logIn(browser, button);
    assert.equal(store.members().length, 1);
    assert.equal(enishi.links.get("sub-1"), member.id);
  });

  test("is not made for the member who is logged in when a stranger starts the login", async () => {
    const browser = visitor();
    await logIn(browser);
    const [member] = store.members();
    await browser.submit("/mypage", "/mypage/unlink");
    enishi.next = { sub: "sub-2", name: "他人" };
    await logIn(browser, "/login/line?link=guessed");
    assert.equal(store.members().length, 2);
    assert.notEqual(enishi.links.get("sub-2"), member.id);
  });

  test("that was ended at Enishi is shown as ended", async () => {
    const browser = visitor();
    await logIn(browser);
    enishi.links.clear();
    assert.match((await browser.get("/mypage")).text, /LINEとは連携していません/);
  });

  test("that cannot be ended now is said to stand", async () => {
    const browser = visitor();
    await logIn(browser);
    const { text } = await browser.get("/mypage");
    enishi.broken = 500;
    const token = /action="\/mypage\/unlink"><input type="hidden" name="token" value="([^"]+)"/.exec(text)[1];
    const refused = await browser.post("/mypage/unlink", { token });
    assert.equal(refused.status, 503);
    assert.match(refused.text, /連携はまだ続いています/);
    assert.match((await browser.get("/mypage")).text, /いま確認できません/);
  });
});

describe("the shop", () => {
  test("refuses every form without its token", async () => {
    const browser = visitor();
    await logIn(browser);
    for (const path of ["/cart/add", "/cart/remove", "/mypage/unlink", "/logout", "/staff/rank", "/staff/sends", "/staff/links"]) {
      assert.equal((await browser.post(path, {})).status, 403, path);
      assert.equal((await browser.post(path, { token: "guessed" })).status, 403, path);
    }
    assert.equal(enishi.links.size, 1);
  });

  test("escapes what LINE says about a person", async () => {
    enishi.next = { sub: "sub-1", name: `<script>alert("1")</script>`, picture: `javascript:alert(1)` };
    const browser = visitor();
    await logIn(browser);
    for (const path of ["/mypage", "/staff", "/"]) {
      const { text } = await browser.get(path);
      assert.ok(!text.includes("<script"), path);
      assert.ok(!text.includes("javascript:"), path);
      assert.ok(text.includes("&lt;script&gt;"), path);
    }
  });

  test("forbids scripts and shows no secret", async () => {
    const browser = visitor();
    await logIn(browser);
    await browser.submit("/staff", "/staff/links", { page: "/cart" });
    for (const path of ["/", "/cart", "/mypage", "/staff", "/staff/sends/send-1", "/staff/links/link-1", "/nowhere"]) {
      const { headers, text } = await browser.get(path);
      assert.match(headers.get("content-security-policy"), /default-src 'none'/);
      assert.ok(!headers.get("content-security-policy").includes("unsafe"));
      assert.ok(!/<script|<style| style=| on\w+=/.test(text), path);
      assert.ok(!text.includes("client-secret") && !text.includes("Bearer"), path);
    }
  });

  test("speaks Japanese first, English when asked, and remembers", async () => {
    const japanese = (await visitor().get("/")).text;
    assert.match(japanese, /<html lang="ja">/);
    assert.match((await visitor({ "accept-language": "en-US,en;q=0.9,ja;q=0.8" }).get("/")).text, /<html lang="en">/);
    assert.match((await visitor({ "accept-language": "fr,ja;q=0.5,en;q=0.3" }).get("/")).text, /<html lang="ja">/);
    const browser = visitor();
    await browser.get("/?lang=en");
    assert.match((await browser.get("/login")).text, /Log in with LINE/);
  });

  test("logs out", async () => {
    const browser = visitor();
    await logIn(browser);
    const before = browser.session;
    const leaving = new URL((await browser.submit("/mypage", "/logout")).location);
    assert.equal(leaving.origin + leaving.pathname, `${enishi.issuer}/logout`);
    assert.equal(leaving.searchParams.get("post_logout_redirect_uri"), `${browser.origin}/`);
    assert.equal(leaving.searchParams.get("id_token_hint").split(".").length, 3);
    assert.notEqual(browser.session, before);
    assert.equal((await browser.get("/mypage")).status, 303);
  });

  test("answers unknown paths, wrong methods, other hosts and health checks", async () => {
    const browser = visitor();
    assert.equal((await browser.get("/nowhere")).status, 404);
    const { status, headers } = await browser.post("/", {});
    assert.deepEqual([status, headers.get("allow")], [405, "GET, HEAD"]);
    assert.equal((await browser.get("/healthz")).text, `{"ok":true}`);
    const other = await fetch(new URL("/login?x=1", browser.origin.replace("127.0.0.1", "localhost")), { redirect: "manual" });
    assert.equal(other.headers.get("location"), `${browser.origin}/login?x=1`);
    assert.deepEqual(log, []);
  });
});

describe("the back office", () => {
  test("saves a rank here and at Enishi, counts and sends once per form", async () => {
    const browser = visitor();
    await logIn(browser);
    const [member] = store.members();
    await browser.submit("/staff", "/staff/rank", { rank: "gold" });
    assert.equal(member.rank, "gold");
    assert.deepEqual(enishi.members.get(member.id), { rank: "gold" });
    const { text } = await browser.get("/staff");
    assert.match(text, /いま送れる相手: 1人/);
    const sent = await browser.submit("/staff", "/staff/sends", { text: "こんにちは\r\n新茶です" });
    assert.equal(sent.location, "/staff/sends/send-1");
    assert.deepEqual([...enishi.sends.values()], [
      { rule: { attribute: "rank", equals: "gold" }, messages: [{ type: "text", text: "こんにちは\n新茶です" }] },
    ]);
    assert.match((await browser.get(sent.location)).text, /data-testid="send-state" data-state="done"/);
  });

  test("makes an auto-login link to a page of the shop and shows its address", async () => {
    const browser = visitor({ "accept-language": "en" });
    const made = await browser.submit("/staff", "/staff/links", { page: "/cart", label: "<新茶>" });
    assert.deepEqual([made.status, made.location], [303, "/staff/links/link-1"]);
    assert.deepEqual(enishi.autoLoginLinks.get("link-1"), {
      id: "link-1", url: `${enishi.issuer}/go/link-1`, client_id: "shop", target: `${browser.origin}/cart`, label: "<新茶>",
    });
    const { text } = await browser.get(made.location);
    assert.ok(text.includes(`data-testid="link-url">${enishi.issuer}/go/link-1<`) && text.includes("&lt;新茶&gt;"), text);
    assert.equal((await browser.get("/staff/links/nowhere")).status, 404);
  });

  test("makes no link to a page that is none of the shop's, nor with a label that is too long", async () => {
    const browser = visitor();
    for (const fields of [{ page: "https://elsewhere.example/" }, { page: "/login" }, { page: "constructor" }, {}, { page: "/", label: "x".repeat(101) }]) {
      assert.equal((await browser.submit("/staff", "/staff/links", { page: "", ...fields })).status, 400, JSON.stringify(fields));
    }
    assert.equal(enishi.autoLoginLinks.size, 0);
    enishi.broken = 500;
    assert.equal((await browser.submit("/staff", "/staff/links", { page: "/" })).status, 502);
    assert.equal((await browser.get("/staff/links/link-1")).status, 200, "it is not known whether it is there");
  });

  test("shows what Enishi refused", async () => {
    const browser = visitor();
    const { text } = await browser.get("/staff");
    enishi.broken = 409;
    const token = /action="\/staff\/sends"><input type="hidden" name="token" value="([^"]+)"/.exec(text)[1];
    const refused = await browser.post("/staff/sends", { token, key: "0123456789abcdef", text: "x" });
    assert.equal(refused.status, 502);
    assert.match(refused.text, /409 conflict/);
  });
});
