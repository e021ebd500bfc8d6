/**
 * The shop's calls to Enishi's REST API (`/v1`): links, members, segments, sends, auto-login links. The API key stays on the server.
 */

const DEADLINE_MS = 10_000;

/** Enishi refused, or did not answer (`status` 0). */
export class EnishiError extends Error {
  /** @param {number} status @param {string} code @param {string} description */
  constructor(status, code, description) {
    super(`${status} ${code}: ${description}`);
    this.name = "EnishiError";
    this.status = status;
    this.code = code;
  }
}

export class Enishi {
  #base;
  #apiKey;
  #clientId;

  /** @param {{issuer: string, api_key: string, client_id: string}} config */
  constructor({ issuer, api_key, client_id }) {
    this.#base = issuer;
    this.#apiKey = api_key;
    this.#clientId = client_id;
  }

  /** Makes the ID link: this LINE login belongs to this member. A conflict is an `EnishiError` with status 409. */
  link(sub, memberId) {
    const consent = { text_version: "2026-11", route: "storefront" };
    return this.#call("PUT", `/v1/links/${encodeURIComponent(sub)}`, { member_id: memberId, consent });
  }

  /** Ends the ID link. A link that is gone already is fine. */
  unlink(sub) {
    return this.#call("DELETE", `/v1/links/${encodeURIComponent(sub)}`).catch(absent);
  }

  /** The member's link as it is now (`no-cache`: not up to a minute old), or null. */
  linkOf(memberId) {
    const path = `/v1/links?member_id=${encodeURIComponent(memberId)}`;
    return this.#call("GET", path, undefined, { "cache-control": "no-cache" }).catch(absent);
  }

  /** Tells Enishi facts about a member, for segments. */
  describe(memberId, attributes) {
    return this.#call("PUT", `/v1/members/${encodeURIComponent(memberId)}`, { attributes });
  }

  /** How many people a segment's rule reaches now. */
  async count(rule) {
    return (await this.#call("POST", "/v1/segments/count", { rule })).reachable;
  }

  /**
   * Sends messages to a segment: answers `{id, state}`. The same key never sends twice, so a form that is submitted
   * twice, or a retry after a lost answer, does no harm.
   */
  send(rule, messages, idempotencyKey) {
    return this.#call("POST", "/v1/sends", { rule, messages }, { "idempotency-key": idempotencyKey });
  }

  /** A send's progress: `{state, targeted, accepted, excluded, failed}`, or null when there is no such send. */
  progress(id) {
    return this.#call("GET", `/v1/sends/${encodeURIComponent(id)}`).catch(absent);
  }

  /**
   * An auto-login link for messages and rich menus: whoever taps it in LINE arrives at the page logged in. It names a page
   * and never a person, so it may go to everybody. Answers `{id, url, target, label}`.
   *
   * @param {string} target  an address of this shop
   * @param {string} label  for the preview in the chat, and for reports
   */
  autoLoginLink(target, label) {
    return this.#call("POST", "/v1/auto-login-links", { client_id: this.#clientId, target, label });
  }

  /** An auto-login link that was made, or null. */
  autoLoginLinkOf(id) {
    return this.#call("GET", `/v1/auto-login-links/${encodeURIComponent(id)}`).catch(absent);
  }

  async #call(method, path, body, headers = {}) {
    const response = await this.#fetch(method, path, body, headers);
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    throw new EnishiError(response.status, answer.error ?? "unknown", answer.error_description ?? "");
  }

  #fetch(method, path, body, headers) {
    const request = {
      method,
      headers: { authorization: `Bearer ${this.#apiKey}`, accept: "application/json", ...headers },
      redirect: "error",
      signal: AbortSignal.timeout(DEADLINE_MS),
    };
    if (body !== undefined) {
      request.headers["content-type"] = "application/json";
      request.body = JSON.stringify(body);
    }
    return fetch(this.#base + path, request).catch((error) => {
      throw new EnishiError(0, "unreachable", error.message);
    });
  }
}

function absent(error) {
  if (error.status === 404) return null;
  throw error;
}
