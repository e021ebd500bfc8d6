/** A visitor in a few lines: keeps one host's cookies, follows nothing by itself, finds and posts forms. */

export class Browser {
  #cookies = new Map();

  /** @param {string} origin  the shop's @param {Record<string, string>} headers */
  constructor(origin, headers = {}) {
    this.origin = origin;
    this.headers = headers;
  }

  /** The session cookie's value. */
  get session() {
    return this.#cookies.get("shop_session");
  }

  async get(path) {
    return this.#fetch(path, {});
  }

  /** Posts fields just as they are given, without a token. */
  async post(path, fields, headers = {}) {
    return this.#fetch(path, { method: "POST", body: new URLSearchParams(fields), headers });
  }

  /** Submits the form with this action on this page, as a click would. */
  async submit(page, action, fields = {}) {
    const { text } = await this.get(page);
    const form = text.split("<form ").find((part) => part.includes(`action="${action}"`));
    const hidden = [...form.matchAll(/type="hidden" name="(\w+)" value="([^"]*)"/g)].map(([, name, value]) => [name, value]);
    return this.post(action, { ...Object.fromEntries(hidden), ...fields });
  }

  async #fetch(path, options) {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { ...this.headers, ...options.headers, ...(cookie && { cookie }) };
    const response = await fetch(new URL(path, this.origin), { ...options, headers, redirect: "manual" });
    for (const set of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(set);
      this.#cookies.set(name, value);
    }
    return { status: response.status, headers: response.headers, location: response.headers.get("location"), text: await response.text() };
  }
}
