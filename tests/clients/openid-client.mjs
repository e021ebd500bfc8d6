/**
 * The npm package `openid-client`, as a public client: PKCE and no secret, ID tokens signed with ES256.
 *
 * The package checks `state`, `iss`, `nonce` and the claims by itself; told so, the signatures too, and then it reads
 * the key set again when it meets an unknown key and its copy is older than a minute.
 */

import * as client from "openid-client";

import { demo } from "../e2e/demo.mjs";
import { Refusal, SCOPES } from "./relying-party.mjs";

const ALGORITHM = { id_token_signed_response_alg: "ES256" };

export class OpenidClient {
  static title = "openid-client";
  static registration = { token_endpoint_auth_method: "none", require_pkce: true, ...ALGORITHM };

  #provider;
  #redirectUri;

  constructor(provider, redirectUri) {
    this.#provider = provider;
    this.#redirectUri = redirectUri;
  }

  static async open({ client_id, redirect_uri }) {
    // Plain http, because the provider runs on this machine.
    const execute = [client.enableNonRepudiationChecks, client.allowInsecureRequests];
    const issuer = new URL(demo.issuer);
    const provider = await client.discovery(issuer, client_id, ALGORITHM, client.None(), { execute });
    return new OpenidClient(provider, redirect_uri);
  }

  async start({ prompt } = {}) {
    const login = {
      expectedState: client.randomState(),
      expectedNonce: client.randomNonce(),
      pkceCodeVerifier: client.randomPKCECodeVerifier(),
    };
    const url = client.buildAuthorizationUrl(this.#provider, {
      redirect_uri: this.#redirectUri,
      scope: ["openid", ...SCOPES].join(" "),
      state: login.expectedState,
      nonce: login.expectedNonce,
      code_challenge: await client.calculatePKCECodeChallenge(login.pkceCodeVerifier),
      code_challenge_method: "S256",
      ...(prompt && { prompt }),
    });
    return { url, login };
  }

  async finish(callback, login) {
    return believed(client.authorizationCodeGrant(this.#provider, callback, { ...login, idTokenExpected: true }));
  }

  async refresh({ sub, refresh_token }) {
    const tokens = await believed(client.refreshTokenGrant(this.#provider, refresh_token));
    if (tokens.sub !== sub) throw new Refusal("sub", tokens);
    return tokens;
  }

  async logoutUrl({ id_token }, back, state) {
    return client.buildEndSessionUrl(this.#provider, { id_token_hint: id_token, post_logout_redirect_uri: back, state });
  }
}

async function believed(answer) {
  try {
    const tokens = await answer;
    return { ...tokens, sub: tokens.claims().sub };
  } catch (error) {
    // The provider's code, or the claim that was not the expected one.
    throw new Refusal(error.error ?? error.cause?.cause?.claim ?? error.code, error);
  }
}
