/**
 * The code flow (RFC 6749 section 4.1) of one customer who has a session at one shop: the same requests and the same right
 * answers for Enishi and for its rival.
 *
 * Nothing here is a secret of anybody's.
 */

import { Load } from "./load.mjs";

/** The shop: a confidential client that sends a PKCE challenge. */
export const CLIENT = {
  client_id: "shop",
  client_secret: "benchmark-client-secret-0123456789abcdef",
  redirect_uri: "http://127.0.0.1:8789/callback",
  scope: "openid profile",
};

/** The customer, as ID tokens name them. */
export const CUSTOMER = { sub: "benchmark-subject", name: "Aoi", member_id: "M-0001", line_friend: true };

const STATE = "af0ifjsldkj2b7d3";
const NONCE = "n-0S6_WzA2Mj7c1e";
/** Verifier and challenge of RFC 7636 appendix B. */
const VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/** The bytes of an RS256 signature by a key of 2048 bits. */
const SIGNATURE = 256;

/** What the shop asks for when it sends its customer to log in. */
const REQUEST = {
  response_type: "code",
  client_id: CLIENT.client_id,
  redirect_uri: CLIENT.redirect_uri,
  scope: CLIENT.scope,
  state: STATE,
  nonce: NONCE,
  code_challenge: CHALLENGE,
  code_challenge_method: "S256",
};

const authorizing = (parameters) => `/authorize?${new URLSearchParams(parameters)}`;

/** What a customer's browser asks when the shop sends it to log in. */
export const AUTHORIZE = authorizing(REQUEST);

/** The same, pushed by the shop (RFC 9126). */
export const push = byTheShop("/par", REQUEST, 201);

/**
 * The same from a browser that has a session, so that a code answers it. The status of the redirect is the provider's choice.
 *
 * @returns {import("./load.mjs").Asked}
 */
export function authorize(cookie, status, wishes = {}) {
  return { path: authorizing({ ...REQUEST, ...wishes }), headers: { cookie }, status, location: `${CLIENT.redirect_uri}?code=` };
}

/**
 * A browser with a session that opens requests which are pushed just before, since each is opened once and within a minute.
 *
 * @returns {import("./load.mjs").Supply}
 */
export function openings(cookie, status) {
  return async (url, count) =>
    (await answersOf(url, push, count)).map(({ body }) => {
      const { request_uri } = JSON.parse(body);
      const path = authorizing({ client_id: CLIENT.client_id, request_uri });
      return { path, headers: { cookie }, status, location: `${CLIENT.redirect_uri}?code=` };
    });
}

/**
 * The shop's exchanges of codes that are obtained just before, since a code counts once and for a minute.
 *
 * @param {import("./load.mjs").Asked} authorize  is answered by a code
 * @returns {import("./load.mjs").Supply}
 */
export function exchanges(authorize) {
  return async (url, count) => (await answersOf(url, authorize, count)).map((answer) => exchange(returned(answer).get("code")));
}

/**
 * The shop's refreshes of tokens that are obtained just before, since a refresh token counts once.
 *
 * @param {import("./load.mjs").Asked} authorize  is answered by a code that comes with a refresh token
 * @returns {import("./load.mjs").Supply}
 */
export function refreshes(authorize) {
  return async (url, count) =>
    (await answersOf(url, exchanges(authorize), count)).map(({ body }) => {
      const { refresh_token } = JSON.parse(body);
      return byTheShop("/token", { grant_type: "refresh_token", refresh_token }, 200);
    });
}

function exchange(code) {
  const form = { grant_type: "authorization_code", code, redirect_uri: CLIENT.redirect_uri, code_verifier: VERIFIER };
  return byTheShop("/token", form, 200);
}

/** A form that the shop posts, by `client_secret_basic`. */
function byTheShop(path, form, status) {
  const basic = Buffer.from(`${CLIENT.client_id}:${CLIENT.client_secret}`).toString("base64");
  return {
    method: "POST",
    path,
    headers: { authorization: `Basic ${basic}`, "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams(form).toString(),
    status,
  };
}

/** So many answers to one kind of request. @returns {Promise<import("./load.mjs").Answer[]>} */
export async function answersOf(url, asked, count) {
  const load = new Load(url, asked);
  await load.ready(count);
  return (await load.send()).answers;
}

/** Whether an answer brings the browser back to the shop with a code. */
export function isCode(answer) {
  const back = returned(answer);
  return back.get("code").length >= 32 && back.get("state") === STATE && back.has("iss");
}

const returned = ({ headers }) => new URL(headers.location).searchParams;

/** Whether an answer names a request that was pushed. */
export function isPushed({ body }) {
  const { request_uri, expires_in } = JSON.parse(body);
  return request_uri.startsWith("urn:ietf:params:oauth:request_uri:") && expires_in > 0;
}

/** Whether an answer holds tokens and the next refresh token. */
export function isRefreshed({ body }) {
  const { access_token, refresh_token, id_token } = JSON.parse(body);
  return access_token.length >= 32 && refresh_token.length >= 32 && id_token.split(".").length === 3;
}

/** Whether an answer holds an access token and an ID token that say everything about the customer, signed by RSA 2048. */
export function isTokens({ body }) {
  const { access_token, token_type, id_token } = JSON.parse(body);
  const [header, claims, signature] = id_token.split(".").map((part) => Buffer.from(part, "base64url"));
  const wanted = { aud: CLIENT.client_id, nonce: NONCE, ...CUSTOMER };
  const { alg } = JSON.parse(header);
  const said = JSON.parse(claims);
  return (
    access_token.length >= 32 &&
    token_type === "Bearer" &&
    alg === "RS256" &&
    signature.length === SIGNATURE &&
    Object.entries(wanted).every(([name, value]) => said[name] === value)
  );
}
