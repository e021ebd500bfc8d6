/**
 * The only login code of this shop: the stock OpenID Connect client `openid-client`, configured by discovery.
 *
 * In go the four values that the shop got when it was registered as a client, out come verified claims. Nothing here
 * knows LINE: to the shop, Enishi is an OpenID Provider like any other.
 */

import * as client from "openid-client";

/** Thrown by `finish` when the provider answered with an error, such as `access_denied`; see its `error`. */
export const { AuthorizationResponseError } = client;

/**
 * @typedef {object} Login  what the session must keep between start and finish
 * @property {string} state
 * @property {string} nonce
 * @property {string} verifier
 */

export class OpenIdConnect {
  #config;
  #provider;

  /** @param {{issuer: string, client_id: string, client_secret: string, redirect_uri: string}} config */
  constructor(config) {
    this.#config = config;
  }

  /**
   * Begins a login: the address to send the browser to, and what to keep in the session meanwhile.
   *
   * @param {{login_hint?: string | null, target_link_uri?: string | null, prompt?: string | null, ui_locales?: string}} wishes
   * @returns {Promise<{url: URL, login: Login}>}
   */
  async start(wishes = {}) {
    const provider = await this.#discovered();
    const login = {
      state: client.randomState(),
      nonce: client.randomNonce(),
      verifier: client.randomPKCECodeVerifier(),
    };
    const url = client.buildAuthorizationUrl(provider, {
      redirect_uri: this.#config.redirect_uri,
      scope: "openid profile",
      state: login.state,
      nonce: login.nonce,
      code_challenge: await client.calculatePKCECodeChallenge(login.verifier),
      code_challenge_method: "S256",
      ...given(wishes),
    });
    return { url, login };
  }

  /**
   * Ends a login: checks the answer (state, issuer), trades the code with the PKCE verifier, checks the ID token
   * (signature, issuer, audience, times, nonce).
   *
   * @param {string} search  the query string that arrived at the redirect URI
   * @param {Login} login
   * @returns {Promise<{claims: import("openid-client").IDToken, idToken: string}>} who it is, and the token that says so,
   *   which is shown again at logout
   */
  async finish(search, login) {
    const provider = await this.#discovered();
    const arrived = new URL(this.#config.redirect_uri);
    arrived.search = search;
    const tokens = await client.authorizationCodeGrant(provider, arrived, {
      expectedState: login.state,
      expectedNonce: login.nonce,
      pkceCodeVerifier: login.verifier,
      idTokenExpected: true,
    });
    return { claims: tokens.claims(), idToken: tokens.id_token };
  }

  /**
   * Where the browser goes to be logged out at the provider as well; it comes back to `home`.
   *
   * @param {string} idToken  of the login that ends
   * @param {string} home  as it is registered for this client
   * @returns {Promise<URL>}
   */
  async leave(idToken, home) {
    return client.buildEndSessionUrl(await this.#discovered(), { id_token_hint: idToken, post_logout_redirect_uri: home });
  }

  /** Discovery happens at the first login, because the provider may start later than the shop; a failure is not kept. */
  #discovered() {
    this.#provider ??= this.#discover().catch((error) => {
      this.#provider = undefined;
      throw error;
    });
    return this.#provider;
  }

  #discover() {
    const issuer = new URL(this.#config.issuer);
    const execute = [client.enableNonRepudiationChecks];
    // Plain http is for the demo on one's own machine, never for a provider across a network.
    if (issuer.protocol === "http:" && issuer.hostname === "localhost") execute.push(client.allowInsecureRequests);
    return client.discovery(issuer, this.#config.client_id, this.#config.client_secret, undefined, { execute });
  }
}

function given(wishes) {
  return Object.fromEntries(Object.entries(wishes).filter(([, value]) => value));
}
