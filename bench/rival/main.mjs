/**
 * The rival's process: npm's `oidc-provider`, set up to do what Enishi does with the same shop and the same customer, who
 * has logged in and agreed. Tells its parent the port, and ends with it.
 */

import { generateKeyPairSync } from "node:crypto";

import Provider from "oidc-provider";

import { CLIENT, CUSTOMER } from "../flow.mjs";
import { Memory } from "./memory.mjs";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const { scope, redirect_uri, ...client } = CLIENT;
const { sub, ...profile } = CUSTOMER;

const signing = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });

const provider = new Provider("http://localhost", {
  adapter: Memory,
  clients: [{ ...client, redirect_uris: [redirect_uri], response_types: ["code"], grant_types: ["authorization_code"], require_auth_time: true }],
  jwks: { keys: [{ ...signing, alg: "RS256", use: "sig" }] },
  cookies: { keys: [process.env.COOKIE_KEY] },
  routes: { authorization: "/authorize", token: "/token" },
  scopes: scope.split(" "),
  claims: { openid: ["sub"], profile: Object.keys(profile) },
  // As Enishi does: who the customer is stands in the ID token, and not only behind /userinfo.
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  findAccount: (_, accountId) => ({ accountId, claims: () => CUSTOMER }),
  loadExistingGrant: (context) => provider.Grant.find(context.oidc.session.grantIdFor(context.oidc.client.clientId)),
  features: { devInteractions: { enabled: false } },
  ttl: { AuthorizationCode: MINUTE, AccessToken: HOUR, IdToken: 10 * MINUTE, Grant: 12 * HOUR, Session: 12 * HOUR },
});

/** What a login and a consent would have left. */
async function remember(session) {
  const grant = new provider.Grant({ accountId: sub, clientId: client.client_id });
  grant.addOIDCScope(scope);
  session.loginAccount({ accountId: sub });
  session.ensureClientContainer(client.client_id);
  session.grantIdFor(client.client_id, await grant.save());
  await session.save(12 * HOUR);
}

await remember(new provider.Session({ jti: process.env.SESSION }));
provider.on("server_error", (_, error) => console.error(error));
const server = provider.listen(0, "127.0.0.1", () => process.send(server.address().port));
process.on("disconnect", () => process.exit());
