/**
 * One request as the rooms of the shop see it, and the answers they may give. Sockets and headers stay in here.
 */

import { language, translator } from "./i18n/index.mjs";
import { formToken } from "./session.mjs";

/** Forms here are a few lines; anything larger is not ours. */
const LARGEST_FORM = 16 * 1024;

export class Visit {
  #request;
  #form;

  /**
   * @param {import("node:http").IncomingMessage} request
   * @param {URL} url  on the shop's own origin
   * @param {object} shop  see `shop.mjs`
   * @param {import("./session.mjs").Session} session
   */
  constructor(request, url, shop, session) {
    this.#request = request;
    this.method = request.method === "HEAD" ? "GET" : request.method;
    this.url = url;
    this.shop = shop;
    this.session = session;
    const asked = url.searchParams.get("lang");
    if (language(asked) === asked) session.lang = asked;
    this.lang = language(session.lang, request.headers["accept-language"]);
    this.t = translator(this.lang);
  }

  /** The member who is logged in, if any. */
  get member() {
    return this.session.memberId ? this.shop.store.member(this.session.memberId) : undefined;
  }

  /** The cart of the member, or of the guest. */
  get cart() {
    return this.member?.cart ?? this.session.cart;
  }

  /** The token for a form that posts to `path`. */
  token(path) {
    return formToken(this.session, path);
  }

  /** The fields of the form that was posted. @returns {Promise<URLSearchParams>} */
  form() {
    this.#form ??= readForm(this.#request);
    return this.#form;
  }

  /** Goes on with a fresh session id, logged in as `memberId` by this ID token. */
  logIn(memberId, idToken) {
    this.session = this.shop.sessions.renew(this.session);
    Object.assign(this.session, { memberId, idToken });
  }

  /** Goes on as a guest with nothing. */
  logOut() {
    const { lang } = this.session;
    this.shop.sessions.end(this.session);
    this.session = Object.assign(this.shop.sessions.open(), { lang });
  }
}

/** Something the visitor sent cannot be accepted; the hall turns it into a page. */
export class Refused extends Error {
  /** @param {number} status @param {string} words  the message's prefix in `i18n/` */
  constructor(status, words) {
    super(words);
    this.status = status;
    this.words = words;
  }
}

/** @param {object} body  from `html` */
export const page = (body, status = 200) => ({
  status,
  headers: { "content-type": "text/html; charset=utf-8" },
  body: String(body),
});

/** 303: the answer to a form, and to a login that is done. @param {string | URL} location */
export const seeOther = (location) => ({ status: 303, headers: { location: String(location) }, body: "" });

async function readForm(request) {
  if (!/^application\/x-www-form-urlencoded\b/i.test(request.headers["content-type"] ?? "")) {
    throw new Refused(415, "refused");
  }
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > LARGEST_FORM) throw new Refused(413, "refused");
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString("utf8"));
}
