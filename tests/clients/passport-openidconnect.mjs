/**
 * The npm package `passport-openidconnect`, with passport, but without Express: a request is an object with a session.
 *
 * It builds the authorization request, compares `state`, trades the code (client_secret_post), checks the claims with
 * `nonce`, and reads `/userinfo`. It knows neither PKCE nor `iss` in the answer nor keys: it believes an ID token
 * because it came from the token endpoint itself (OpenID Connect Core section 3.1.3.7, step 6). Refresh and logout it
 * does not know either; an application does them by hand, and so does this file.
 */

import passport from "passport";
import Strategy from "passport-openidconnect";

import { demo } from "../e2e/demo.mjs";
import { metadata, tokenRequest } from "./provider.mjs";
import { claimsOf, Refusal, SCOPES } from "./relying-party.mjs";

export class PassportOpenidconnect {
  static title = "passport-openidconnect";
  static registration = { token_endpoint_auth_method: "client_secret_post", require_pkce: false };

  #passport = new passport.Passport();
  #registered;
  #endSession;

  constructor(registered, provider) {
    this.#registered = registered;
    this.#endSession = provider.end_session_endpoint;
    const options = {
      issuer: demo.issuer,
      authorizationURL: provider.authorization_endpoint,
      tokenURL: provider.token_endpoint,
      userInfoURL: provider.userinfo_endpoint,
      clientID: registered.client_id,
      clientSecret: registered.client_secret,
      callbackURL: registered.redirect_uri,
      scope: SCOPES,
      nonce: true,
    };
    this.#passport.use(new Strategy(options, verified));
  }

  static async open(registered) {
    return new PassportOpenidconnect(registered, await metadata());
  }

  async start({ prompt } = {}) {
    const session = {};
    const { location } = await this.#authenticate({ query: {}, session }, { prompt });
    return { url: new URL(location), login: session };
  }

  async finish(callback, session) {
    const query = Object.fromEntries(callback.searchParams);
    const { user } = await this.#authenticate({ query, session });
    return user;
  }

  /** By hand. An ID token that comes along must be of the same customer (OpenID Connect Core section 12.2). */
  async refresh({ sub, refresh_token }) {
    const { client_id, client_secret } = this.#registered;
    const { status, body } = await tokenRequest({ grant_type: "refresh_token", refresh_token, client_id, client_secret });
    if (status !== 200) throw new Refusal(body.error, body);
    const claims = claimsOf(body.id_token);
    if (claims.sub !== sub || claims.iss !== demo.issuer || claims.aud !== client_id) throw new Refusal("sub", claims);
    return { ...body, sub };
  }

  /** By hand. */
  async logoutUrl({ id_token }, back, state) {
    const url = new URL(this.#endSession);
    url.search = new URLSearchParams({ id_token_hint: id_token, post_logout_redirect_uri: back, state });
    return url;
  }

  /** What Express would do with passport's middleware. */
  #authenticate(request, options = {}) {
    return new Promise((resolve, reject) => {
      const headers = {};
      const response = {
        setHeader: (name, value) => (headers[name.toLowerCase()] = value),
        end: () => resolve({ location: headers.location }),
      };
      const done = (error, user, challenge) => {
        if (user) resolve({ user });
        else reject(refusal(error, challenge, request.query.error));
      };
      this.#passport.authenticate("openidconnect", options, done)(request, response, reject);
    });
  }
}

/** Who has logged in. The strategy counts the parameters to know what it should tell: nine of them mean everything. */
function verified(issuer, fromUserinfo, fromIdToken, context, id_token, access_token, refresh_token, answer, done) {
  if (fromUserinfo.id !== fromIdToken.id) return done(new Error("/userinfo is about somebody else"));
  return done(null, { sub: fromIdToken.id, id_token, access_token, refresh_token });
}

/** Passport fails with a text for what it takes for the customer's doing, and has an error with a code for the rest. */
function refusal(error, challenge, answered) {
  if (error) return new Refusal(error.code ?? "other", error);
  if (answered) return new Refusal(answered, challenge);
  return new Refusal(/nonce/.test(challenge?.message) ? "nonce" : "other", challenge);
}
