/**
 * Sessions of visitors, in memory. The cookie holds a random id and nothing else; what a login needs to be safe
 * (state, nonce, PKCE verifier) stays here on the server.
 */

import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

const LIFETIME_MS = 12 * 60 * 60 * 1000;
const MOST_SESSIONS = 10_000;
const MOST_LOGINS = 5;

/**
 * @typedef {object} Session
 * @property {string} id
 * @property {string} secret  what form tokens are made from; it never leaves the server
 * @property {number} usedAt
 * @property {string | null} memberId  who is logged in
 * @property {string | null} idToken  of the login, shown again at logout
 * @property {string | null} lang  the language the visitor chose
 * @property {Record<string, number>} cart  goods id → quantity, until a member logs in
 * @property {Map<string, object>} logins  state → login under way
 */

/** All sessions, the least recently used first. */
export class Sessions {
  #sessions = new Map();
  #now;

  /** @param {() => number} now  milliseconds */
  constructor(now = Date.now) {
    this.#now = now;
  }

  /** @returns {Session} a session nobody has used before */
  open() {
    const session = {
      id: randomBytes(32).toString("base64url"),
      secret: randomBytes(32).toString("base64url"),
      usedAt: this.#now(),
      memberId: null,
      idToken: null,
      lang: null,
      cart: {},
      logins: new Map(),
    };
    this.#sessions.set(session.id, session);
    if (this.#sessions.size > MOST_SESSIONS) this.#sessions.delete(this.#sessions.keys().next().value);
    return session;
  }

  /** @returns {Session | undefined} */
  find(id) {
    const session = this.#sessions.get(id);
    if (!session) return undefined;
    this.#sessions.delete(id);
    if (this.#now() - session.usedAt > LIFETIME_MS) return undefined;
    session.usedAt = this.#now();
    this.#sessions.set(id, session);
    return session;
  }

  /**
   * A new session for the same visitor: an id that was known before a login must be worth nothing after it.
   *
   * @param {Session} old
   * @returns {Session}
   */
  renew(old) {
    this.end(old);
    return Object.assign(this.open(), { lang: old.lang, cart: old.cart });
  }

  /** @param {Session} session */
  end(session) {
    this.#sessions.delete(session.id);
  }
}

/**
 * Remembers a login under way; a visitor may have a few open in different tabs.
 *
 * @param {Session} session
 * @param {{state: string}} login
 */
export function keepLogin(session, login) {
  session.logins.set(login.state, login);
  if (session.logins.size > MOST_LOGINS) session.logins.delete(session.logins.keys().next().value);
}

/**
 * The login that `state` belongs to, once.
 *
 * @param {Session} session
 * @param {string | null} state
 */
export function takeLogin(session, state) {
  const login = session.logins.get(state);
  session.logins.delete(state);
  return login;
}

/**
 * The token that a form (or link) of this session carries for one purpose: another site cannot know it, and it is
 * good for nothing else.
 *
 * @param {Session} session
 * @param {string} purpose  the path that the form posts to
 */
export function formToken(session, purpose) {
  return createHmac("sha256", session.secret).update(purpose).digest("base64url");
}

/** @param {Session} session @param {string} purpose @param {string | null} token */
export function tokenFits(session, purpose, token) {
  const expected = Buffer.from(formToken(session, purpose));
  const given = Buffer.from(token ?? "");
  return expected.length === given.length && timingSafeEqual(expected, given);
}
