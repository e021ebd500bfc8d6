/**
 * What the scenarios ask of a client, whichever library it is made with. Each adapter beside this file is a class of
 * this shape:
 *
 * @typedef {object} RelyingParty
 * @property {(wishes?: {prompt?: string}) => Promise<{url: URL, login: unknown}>} start
 *   begins a login with `SCOPES`: the address for the browser, and what the shop keeps meanwhile
 * @property {(callback: URL, login: unknown) => Promise<Tokens>} finish
 *   ends it with the address that the browser came back to
 * @property {(tokens: Tokens) => Promise<Tokens>} refresh
 * @property {(tokens: Tokens, back: string, state: string) => Promise<URL>} logoutUrl
 * @property {() => void} [close]
 *
 * and static: `title`; `registration`, in what its registration differs from others'; `open(Registered)`.
 *
 * @typedef {{sub: string, access_token: string, refresh_token?: string, id_token: string}} Tokens
 * @typedef {{issuer: string, client_id: string, client_secret?: string, redirect_uri: string}} Registered
 */

/** Beside `openid`: a name for the shop, and a refresh token. */
export const SCOPES = ["profile", "offline_access"];

/**
 * How a library said no, in one word that all of them share: the provider's error code, or the name of what the client
 * did not accept, such as `nonce`.
 */
export class Refusal extends Error {
  constructor(reason, cause) {
    super(`${reason}: ${cause?.message ?? JSON.stringify(cause)}`, { cause });
    this.reason = reason;
  }
}

/** The payload of an ID token that somebody else has verified. */
export function claimsOf(idToken) {
  return part(idToken, 1);
}

/** Which key an ID token says it was signed with. */
export function kidOf(idToken) {
  return part(idToken, 0).kid;
}

function part(jwt, index) {
  return JSON.parse(Buffer.from(jwt.split(".")[index], "base64url").toString());
}
