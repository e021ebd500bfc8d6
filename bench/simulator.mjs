/**
 * The LINE stand-in in a process of its own, with as many users as a benchmark needs, all of them friends.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { ACCOUNT } from "./enishi.mjs";

const { login_channel: login, messaging_channel: messaging } = ACCOUNT;

export class LineSimulator {
  #process;

  constructor(process, url) {
    this.#process = process;
    this.url = url;
  }

  /**
   * @param {string} binary  of `line-simulator`
   * @param {string} folder  for its configuration
   */
  static async start(binary, folder) {
    const config = join(folder, "line.json");
    writeFileSync(config, JSON.stringify({
      login_channels: [{
        channel_id: login.channel_id, channel_secret: login.credential.secret, callback_urls: ["https://localhost/line/callback"],
        linked_bot: messaging.channel_id, certified: true, email_permission: false, name: "Benchmark",
      }],
      messaging_channels: [{
        channel_id: messaging.channel_id, channel_secret: messaging.secret, bot_user_id: messaging.bot_user_id,
        basic_id: "@benchmark", display_name: "縁日和", webhook_endpoint: null, quota: null,
      }],
    }));
    const line = spawn(binary, ["--port", "0", "--config", config], { stdio: ["ignore", "pipe", "inherit"] });
    process.on("exit", () => line.kill());
    const [said] = await Promise.race([once(line.stdout, "data"), once(line, "exit")]);
    const url = /http:\/\/[\w.:]+/.exec(String(said))?.[0];
    if (!url) throw new Error(`the LINE stand-in does not start: ${said}`);
    line.stdout.resume();
    return new LineSimulator(line, url);
  }

  /** So many friends more. @returns {Promise<string[]>} their LINE user ids */
  async friends(count) {
    const { users } = await this.#ask("POST", "/sim/users", { count, prefix: "会員", friend: true });
    return users.map(({ userId }) => userId);
  }

  /** What the channel has sent of its quota this month. */
  async sent(token) {
    return (await this.#ask("GET", "/v2/bot/message/quota/consumption", undefined, { authorization: `Bearer ${token}` })).totalUsage;
  }

  /** A channel access token. */
  async token() {
    const body = new URLSearchParams({ grant_type: "client_credentials", client_id: messaging.channel_id, client_secret: messaging.secret });
    return (await this.#answer(await fetch(`${this.url}/oauth2/v3/token`, { method: "POST", body }))).access_token;
  }

  async stop() {
    this.#process.kill();
    if (this.#process.exitCode === null && this.#process.signalCode === null) await once(this.#process, "exit");
  }

  async #ask(method, path, body, headers = {}) {
    const json = body && JSON.stringify(body);
    return this.#answer(await fetch(this.url + path, { method, headers: { "content-type": "application/json", ...headers }, body: json }));
  }

  async #answer(response) {
    if (!response.ok) throw new Error(`the LINE stand-in answers ${response.status}: ${await response.text()}`);
    return response.json();
  }
}
