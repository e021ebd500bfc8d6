/**
 * LINE's part of a login, as far as Enishi calls it: the exchange of a code and the friendship status, with the checks that
 * tell a right call from a wrong one. Tells its parent the port, and ends with it.
 *
 * A code is `{random}.{nonce}`: it carries what a login at LINE would have remembered of the authorization request.
 */

import { createHmac } from "node:crypto";
import { createServer } from "node:http";

const { CHANNEL_ID, CHANNEL_SECRET, LINE_USER, NAME } = process.env;
const MONTH = 30 * 24 * 3600;
const ACCESS_TOKEN = "benchmark-line-access-token-0123456789abcdef";
const REFRESH_TOKEN = "benchmark-line-refresh-token";

const spent = new Set();

const HEADER = part({ typ: "JWT", alg: "HS256" });

function part(value) {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function idToken(nonce) {
  const iat = Math.floor(Date.now() / 1000);
  const claims = { iss: "https://access.line.me", sub: LINE_USER, aud: CHANNEL_ID, exp: iat + 3600, iat, nonce, amr: ["linesso"], name: NAME };
  const signed = `${HEADER}.${part(claims)}`;
  return `${signed}.${createHmac("sha256", CHANNEL_SECRET).update(signed).digest("base64url")}`;
}

function exchange(form) {
  const code = form.get("code") ?? "";
  const right =
    form.get("grant_type") === "authorization_code" &&
    form.get("client_id") === CHANNEL_ID &&
    form.get("client_secret") === CHANNEL_SECRET &&
    form.get("redirect_uri")?.endsWith("/line/callback") &&
    form.get("code_verifier")?.length >= 43 &&
    !spent.has(code);
  if (!right) return { status: 400, json: { error: "invalid_grant" } };
  spent.add(code);
  const id_token = idToken(code.split(".")[1]);
  return {
    status: 200,
    json: { access_token: ACCESS_TOKEN, expires_in: MONTH, id_token, refresh_token: REFRESH_TOKEN, scope: "profile openid", token_type: "Bearer" },
  };
}

function answer({ method, url, headers }, body) {
  if (method === "POST" && url === "/oauth2/v2.1/token") return exchange(new URLSearchParams(body));
  const isFriendship = method === "GET" && url === "/friendship/v1/status" && headers.authorization === `Bearer ${ACCESS_TOKEN}`;
  return isFriendship ? { status: 200, json: { friendFlag: true } } : { status: 404, json: { message: "Not found" } };
}

const server = createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  const { status, json } = answer(request, body);
  const text = JSON.stringify(json);
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) }).end(text);
}).listen(0, "127.0.0.1", () => process.send(server.address().port));

process.on("disconnect", () => process.exit());
