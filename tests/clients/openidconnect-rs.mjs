/**
 * The Rust crate `openidconnect`, with PKCE and client_secret_basic. The shop that uses it is a program of its own
 * (`tests/openidconnect`), which answers each line of JSON with one.
 *
 * In: `RELYING_PARTY_BIN`, the built program.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

import { Refusal, SCOPES } from "./relying-party.mjs";

export class OpenidconnectRs {
  static title = "openidconnect (Rust)";
  static registration = { token_endpoint_auth_method: "client_secret_basic", require_pkce: true };

  #program;
  #answers;

  constructor(program) {
    this.#program = program;
    this.#answers = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
  }

  static async open(registered) {
    const program = spawn(process.env.RELYING_PARTY_BIN, { stdio: ["pipe", "pipe", "inherit"] });
    const shop = new OpenidconnectRs(program);
    await shop.#ask("discover", registered);
    return shop;
  }

  async start({ prompt } = {}) {
    const { url, login } = await this.#ask("start", { scopes: SCOPES, prompt });
    return { url: new URL(url), login };
  }

  finish(callback, login) {
    return this.#ask("finish", { callback, login });
  }

  refresh(tokens) {
    return this.#ask("refresh", { tokens });
  }

  async logoutUrl(tokens, back, state) {
    return new URL(await this.#ask("logout_url", { tokens, post_logout_redirect_uri: back, state }));
  }

  close() {
    this.#program.stdin.end();
  }

  async #ask(command, details) {
    this.#program.stdin.write(`${JSON.stringify({ do: command, ...details })}\n`);
    const { done, value } = await this.#answers.next();
    assert.ok(!done, `the program ended at ${command}`);
    const { ok, failure } = JSON.parse(value);
    if (failure) throw new Refusal(failure.reason, failure);
    return ok;
  }
}
