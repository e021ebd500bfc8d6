/**
 * A provider in a few lines, for the shop's own tests: discovery, keys, codes and ID tokens, and the corner of `/v1`
 * that the shop calls. It is as strict about PKCE and one-use codes as the shop relies on, and no stricter.
 */

import { createHash, createSign, generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer } from "node:http";

export class FakeEnishi {
  #key = generateKeyPairSync("rsa", { modulusLength: 2048 });
  #codes = new Map();
  #server;

  /** Who says yes at the next login; `error` makes the provider refuse instead. */
  next = { sub: "sub-1", name: "さくら" };
  /** sub → member_id */
  links = new Map();
  /** member_id → attributes */
  members = new Map();
  /** every `/v1` call, as `METHOD path` */
  calls = [];
  /** every send's body by its idempotency key */
  sends = new Map();
  /** every auto-login link by its id */
  autoLoginLinks = new Map();
  /** when set, `/v1` answers this status to everything */
  broken = null;

  async listen() {
    this.#server = createServer((request, response) => this.#serve(request, response));
    await new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.issuer = `http://localhost:${this.#server.address().port}`;
    return this;
  }

  close() {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** What a browser would be sent back to the shop with, after a visit to `/authorize`. */
  authorize(address) {
    const asked = new URL(address).searchParams;
    const back = new URL(asked.get("redirect_uri"));
    back.searchParams.set("state", asked.get("state"));
    back.searchParams.set("iss", this.issuer);
    if (this.next.error) {
      back.searchParams.set("error", this.next.error);
      return back;
    }
    const code = randomUUID();
    this.#codes.set(code, { asked, user: this.next });
    back.searchParams.set("code", code);
    return back;
  }

  async #serve(request, response) {
    let body = "";
    for await (const chunk of request) body += chunk;
    const { status = 200, json, location } = this.#answer(request, body);
    response.writeHead(status, { "content-type": "application/json", ...(location && { location }) }).end(json === undefined ? "" : JSON.stringify(json));
  }

  #answer(request, body) {
    const path = new URL(request.url, this.issuer);
    if (path.pathname.startsWith("/v1/")) return this.#api(request, path, body && JSON.parse(body));
    const pages = {
      "/.well-known/openid-configuration": () => this.#discovery(),
      "/jwks.json": () => ({ json: { keys: [{ ...this.#key.publicKey.export({ format: "jwk" }), kid: "k", use: "sig", alg: "RS256" }] } }),
      "/authorize": () => ({ status: 302, location: this.authorize(path).href }),
      "/token": () => this.#token(new URLSearchParams(body)),
    };
    return pages[path.pathname]?.() ?? { status: 404, json: {} };
  }

  #discovery() {
    const at = (path) => this.issuer + path;
    return {
      json: {
        issuer: this.issuer,
        authorization_endpoint: at("/authorize"),
        token_endpoint: at("/token"),
        jwks_uri: at("/jwks.json"),
        end_session_endpoint: at("/logout"),
        response_types_supported: ["code"],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: ["RS256"],
        code_challenge_methods_supported: ["S256"],
        authorization_response_iss_parameter_supported: true,
      },
    };
  }

  #token(form) {
    const grant = this.#codes.get(form.get("code"));
    this.#codes.delete(form.get("code"));
    const challenge = createHash("sha256").update(form.get("code_verifier") ?? "").digest("base64url");
    if (!grant || challenge !== grant.asked.get("code_challenge")) return { status: 400, json: { error: "invalid_grant" } };
    return { json: { access_token: "at", token_type: "Bearer", expires_in: 60, id_token: this.#idToken(grant) } };
  }

  #idToken({ asked, user }) {
    const now = Math.floor(Date.now() / 1000);
    const { friend, ...claims } = user;
    const payload = {
      iss: this.issuer,
      aud: asked.get("client_id"),
      iat: now,
      exp: now + 60,
      nonce: asked.get("nonce"),
      member_id: this.links.get(user.sub),
      "line_friend": friend ?? false,
      ...claims,
    };
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const signed = `${part({ alg: "RS256", kid: "k" })}.${part(payload)}`;
    return `${signed}.${createSign("RSA-SHA256").update(signed).sign(this.#key.privateKey, "base64url")}`;
  }

  #api(request, { pathname, searchParams }, body) {
    this.calls.push(`${request.method} ${pathname}`);
    if (request.headers.authorization !== "Bearer key") return { status: 401, json: { error: "invalid_token" } };
    if (this.broken) return { status: this.broken, json: { error: "conflict", error_description: "refused" } };
    const name = decodeURIComponent(pathname.split("/")[3] ?? "");
    switch (`${request.method} /${pathname.split("/")[2]}`) {
      case "PUT /links":
        this.links.set(name, body.member_id);
        return { status: 201, json: { sub: name, member_id: body.member_id } };
      case "DELETE /links":
        return this.links.delete(name) ? { status: 204 } : { status: 404, json: { error: "not_found" } };
      case "GET /links": {
        const found = [...this.links].find(([, member]) => member === searchParams.get("member_id"));
        return found ? { json: { sub: found[0], member_id: found[1], linked_at: "2026-11-22T15:00:00Z" } } : { status: 404, json: { error: "not_found" } };
      }
      case "PUT /members":
        this.members.set(name, body.attributes);
        return { json: {} };
      case "POST /segments":
        return { json: { reachable: [...this.members.values()].filter(({ rank }) => rank === "gold").length } };
      case "POST /sends":
        this.sends.set(request.headers["idempotency-key"], body);
        return { status: 202, json: { id: "send-1", state: "expanding" } };
      case "GET /sends":
        return { json: { id: name, state: "done", targeted: 1, accepted: 1, excluded: 0, failed: 0 } };
      case "POST /auto-login-links": {
        const id = `link-${this.autoLoginLinks.size + 1}`;
        this.autoLoginLinks.set(id, { id, url: `${this.issuer}/go/${id}`, ...body });
        return { status: 201, json: this.autoLoginLinks.get(id) };
      }
      case "GET /auto-login-links":
        return this.autoLoginLinks.has(name) ? { json: this.autoLoginLinks.get(name) } : { status: 404, json: { error: "not_found" } };
      default:
        return { status: 404, json: { error: "not_found" } };
    }
  }
}
