/**
 * The provider as the scenarios see it beside the clients: registrations, keys, and a look at what was signed.
 */

import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";

import { api, demo } from "../e2e/demo.mjs";
import { claimsOf, kidOf } from "./relying-party.mjs";

/** Nobody listens there, and a browser would refuse the port: the answer is read from the address. */
export const SHOP = "http://127.0.0.1:9";
export const REDIRECT_URI = `${SHOP}/callback`;
export const GOODBYE = `${SHOP}/goodbye`;

/** Registers a client. @returns {Promise<import("./relying-party.mjs").Registered>} */
export async function register(name, differences) {
  const { status, body } = await api("POST", "/v1/clients", {
    name,
    redirect_uris: [REDIRECT_URI],
    post_logout_redirect_uris: [GOODBYE],
    refresh_tokens: "offline_access",
    ...differences,
  });
  assert.equal(status, 201, JSON.stringify(body));
  const { client_id, client_secret } = body;
  return { issuer: demo.issuer, client_id, client_secret, redirect_uri: REDIRECT_URI };
}

export async function unregister({ client_id }) {
  const { status, body } = await api("DELETE", `/v1/clients/${client_id}`);
  assert.equal(status, 204, JSON.stringify(body));
}

export function metadata() {
  return get(`${demo.issuer}/.well-known/openid-configuration`);
}

/** The keys that are published now. @returns {Promise<object[]>} */
export async function keys() {
  return (await get((await metadata()).jwks_uri)).keys;
}

/** Their names. @returns {Promise<string[]>} */
export async function kids() {
  return (await keys()).map(({ kid }) => kid);
}

/** Makes new keys, and in an emergency withdraws the old ones. */
export async function rotate(wishes = {}) {
  const { status, body } = await api("POST", "/v1/signing-keys/rotate", wishes);
  assert.ok(status >= 200 && status < 300, `${status} ${JSON.stringify(body)}`);
}

/** A form for `/token`, as it is answered. */
export async function tokenRequest(form) {
  const { token_endpoint } = await metadata();
  const response = await fetch(token_endpoint, { method: "POST", body: new URLSearchParams(form), signal: AbortSignal.timeout(15_000) });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

/** Who `/userinfo` says an access token is about. */
export async function userinfo(accessToken) {
  const { userinfo_endpoint } = await metadata();
  return get(userinfo_endpoint, { authorization: `Bearer ${accessToken}` });
}

const SCHEMES = {
  RS256: (key) => key,
  ES256: (key) => ({ key, dsaEncoding: "ieee-p1363" }),
};

/** That a published key has signed the ID token, seen without any client. @returns {Promise<string>} its `kid` */
export async function assertSigned(idToken) {
  const kid = kidOf(idToken);
  const jwk = (await keys()).find((key) => key.kid === kid);
  assert.ok(jwk, `the key ${kid} is not published`);
  const [header, payload, signature] = idToken.split(".");
  const published = createPublicKey({ key: jwk, format: "jwk" });
  if (jwk.alg === "RS256") assert.equal(published.asymmetricKeyDetails.modulusLength, 2048);
  const key = SCHEMES[jwk.alg](published);
  const signed = verify("sha256", `${header}.${payload}`, key, Buffer.from(signature, "base64url"));
  assert.ok(signed, `not signed by ${kid}: ${JSON.stringify(claimsOf(idToken))}`);
  return kid;
}

async function get(address, headers = {}) {
  const response = await fetch(address, { headers, signal: AbortSignal.timeout(15_000) });
  const text = await response.text();
  assert.equal(response.status, 200, `${address}: ${text}`);
  return JSON.parse(text);
}
