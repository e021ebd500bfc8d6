/**
 * The hall: picks the room for a request, guards every form, shapes the answer. `createShop` gives the listener for
 * `node:http`; it opens no port and reads no environment, so tests can hold it in their hands.
 */

import { readFileSync } from "node:fs";

import { add, remove } from "./cart.mjs";
import { Enishi } from "./enishi.mjs";
import * as login from "./login.mjs";
import { OpenIdConnect } from "./oidc.mjs";
import { cartPage } from "./pages/cart.mjs";
import { homePage } from "./pages/home.mjs";
import { lineIcon } from "./pages/line-button.mjs";
import { loginPage } from "./pages/login.mjs";
import { messagePage } from "./pages/message.mjs";
import { mypage } from "./pages/mypage.mjs";
import { Sessions, tokenFits } from "./session.mjs";
import * as staff from "./staff.mjs";
import { safeTarget } from "./target.mjs";
import { page, Refused, seeOther, Visit } from "./visit.mjs";

const file = (name) => readFileSync(new URL(`assets/${name}`, import.meta.url));

/** Type and bytes, by path. LINE's icon is there if the shop put it there (`pages/line-button.mjs`). */
const ASSETS = {
  "/assets/shop.css": { type: "text/css; charset=utf-8", bytes: file("shop.css") },
  "/assets/mark.svg": { type: "image/svg+xml", bytes: file("mark.svg") },
  "/assets/line-icon": lineIcon,
};

/** Method → room, by path. `guarded: false` marks the one form that other sites may post. */
const ROOMS = [
  { path: "/", GET: async (visit) => page(homePage(visit)) },
  { path: "/cart", GET: async (visit) => page(cartPage(visit)) },
  { path: "/cart/add", POST: (visit) => changeCart(visit, add, "/cart") },
  { path: "/cart/remove", POST: (visit) => changeCart(visit, remove, "/cart") },
  { path: "/login", GET: showLogin },
  { path: "/login/line", GET: login.start, POST: login.restart, guarded: false },
  { path: "/callback", GET: login.finish },
  { path: "/logout", POST: login.leave },
  { path: "/mypage", GET: showMypage },
  { path: "/mypage/unlink", POST: login.unlink },
  { path: "/staff", GET: staff.show },
  { path: "/staff/rank", POST: staff.rank },
  { path: "/staff/sends", POST: staff.send },
  { path: /^\/staff\/sends\/([\w-]+)$/, GET: staff.progress },
  { path: "/staff/links", POST: staff.makeLink },
  { path: /^\/staff\/links\/([\w-]+)$/, GET: staff.showLink },
];

/**
 * @typedef {object} Shop  what the rooms work with
 * @property {object} config  issuer, client_id, client_secret, redirect_uri, api_key, line_simulator, storefront
 * @property {string} origin  the shop's own
 * @property {import("./store.mjs").Store} store
 * @property {Sessions} sessions
 * @property {OpenIdConnect} oidc
 * @property {Enishi} enishi
 * @property {(what: string, error: Error) => void} log
 */

/**
 * @param {object} config
 * @param {import("./store.mjs").Store} store
 * @param {(line: string) => void} write  where log lines go
 * @returns {import("node:http").RequestListener}
 */
export function createShop(config, store, write = console.error) {
  /** @type {Shop} */
  const shop = {
    config,
    origin: new URL(config.redirect_uri).origin,
    store,
    sessions: new Sessions(),
    oidc: new OpenIdConnect(config),
    enishi: new Enishi(config),
    log: (what, error) => write(`${what}: ${error.message}${error.cause?.code ? ` (${error.cause.code})` : ""}`),
  };
  return async (request, response) => {
    const reply = await answer(shop, request).catch((error) => fault(shop, error));
    response.writeHead(reply.status, { ...securityHeaders(config), ...reply.headers });
    response.end(reply.body);
  };
}

async function answer(shop, request) {
  const url = parse(request.url, shop.origin);
  if (!url) return text(400, "bad request\n");
  if (url.pathname === "/healthz") return json({ ok: true });
  if (Object.hasOwn(ASSETS, url.pathname) && ASSETS[url.pathname]) return asset(ASSETS[url.pathname]);
  // Cookies belong to one host name, and the login comes back to this one.
  if (request.headers.host !== new URL(shop.origin).host) return seeOther(shop.origin + url.pathname + url.search);

  const cookie = sessionCookie(request);
  const visit = new Visit(request, url, shop, shop.sessions.find(cookie) ?? shop.sessions.open());
  const reply = await enter(visit).catch((error) => apology(visit, error));
  if (visit.session.id !== cookie) reply.headers["set-cookie"] = setCookie(shop, visit.session.id);
  return reply;
}

async function enter(visit) {
  for (const room of ROOMS) {
    const match = matches(room.path, visit.url.pathname);
    if (!match) continue;
    const handler = Object.hasOwn(room, visit.method) && room[visit.method];
    if (!handler) return notAllowed(visit, room);
    if (visit.method === "POST" && room.guarded !== false) await guard(visit);
    return handler(visit, ...match.slice(1));
  }
  throw new Refused(404, "missing");
}

function matches(path, pathname) {
  return path instanceof RegExp ? path.exec(pathname) : path === pathname && [pathname];
}

/** Every form of ours carries the token of this session for this path. */
async function guard(visit) {
  const form = await visit.form();
  if (!tokenFits(visit.session, visit.url.pathname, form.get("token"))) throw new Refused(403, "stale");
}

function notAllowed(visit, room) {
  const reply = page(messagePage(visit, "refused"), 405);
  reply.headers.allow = ["GET", "POST"].filter((method) => room[method]).join(", ").replace("GET", "GET, HEAD");
  return reply;
}

function apology(visit, error) {
  const known = error instanceof Refused;
  if (!known) visit.shop.log("broken", error);
  const words = known ? error.words : "broken";
  const retry = ["failed", "expired", "unavailable", "conflict"].includes(words);
  return page(messagePage(visit, words, { retry }), known ? error.status : 500);
}

function fault(shop, error) {
  shop.log("fault", error);
  return text(500, "internal error\n");
}

async function changeCart(visit, change, next) {
  change(visit.cart, (await visit.form()).get("goods"));
  visit.shop.store.save();
  return seeOther(next);
}

async function showLogin(visit) {
  const target = safeTarget(visit.url.searchParams.get("target_link_uri"), visit.shop.origin);
  return visit.member ? seeOther(target === "/" ? "/mypage" : target) : page(loginPage(visit, target));
}

/** Enishi knows whether the link stands (someone may have ended it there); the shop's note is second best. */
async function showMypage(visit) {
  const { member, shop } = visit;
  if (!member) return seeOther("/login?target_link_uri=/mypage");
  let sure = true;
  try {
    const link = member.line && (await shop.enishi.linkOf(member.id));
    if (link) member.line.since = link.linked_at;
    else if (member.line) shop.store.unlink(member);
  } catch (error) {
    shop.log("link look-up", error);
    sure = false;
  }
  return page(mypage(visit, { sure, linkPath: login.linkPath(visit) }));
}

function parse(path, origin) {
  return path.startsWith("/") && URL.canParse(origin + path) ? new URL(origin + path) : null;
}

function sessionCookie(request) {
  return /(?:^|;\s*)shop_session=([\w-]+)/.exec(request.headers.cookie ?? "")?.[1];
}

function setCookie({ origin }, id) {
  return `shop_session=${id}; Path=/; HttpOnly; SameSite=Lax${origin.startsWith("https:") ? "; Secure" : ""}`;
}

/** No script at all; pictures of LINE profiles from LINE, or from its stand-in. */
function securityHeaders({ issuer, line_simulator: standIn }) {
  const pictures = ["'self'", "https://profile.line-scdn.net", "https://sprofile.line-scdn.net"];
  if (standIn) pictures.push(new URL(standIn).origin);
  return {
    "content-security-policy": [
      "default-src 'none'",
      "style-src 'self'",
      `img-src ${pictures.join(" ")}`,
      // A browser holds the redirects that follow a form against this as well, and logging out goes by way of Enishi.
      `form-action 'self' ${new URL(issuer).origin}`,
      "base-uri 'none'",
      "frame-ancestors 'none'",
    ].join("; "),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
    vary: "accept-language, cookie",
  };
}

const json = (value) => ({ status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(value) });

const text = (status, body) => ({ status, headers: { "content-type": "text/plain; charset=utf-8" }, body });

const asset = ({ type, bytes }) => ({ status: 200, headers: { "content-type": type, "cache-control": "max-age=300" }, body: bytes });
