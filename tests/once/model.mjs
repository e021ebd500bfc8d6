/**
 * What D1 must hold after a storm of deliveries: a plain reckoning of the events, each once, by their times and not by their order.
 */

/** What a storm leaves, whatever the order in which it comes. */
export class Model {
  /** LINE's ids of whoever did something that counts, with the newest word on their friendship, if there is one. */
  users = new Map();
  /** `user/message` of every message; none is the user of what was said in a group. */
  messages = new Map();
  /** The ids of all claims, with whom each names. */
  claims = new Map();

  /** @param {import("./storm.mjs").Delivery[]} deliveries */
  constructor(deliveries) {
    for (const { events } of deliveries) events.forEach((event) => this.#take(event));
  }

  #take({ id, type, user, group, at, message, unsent }) {
    const own = group ? undefined : user;
    this.claims.set(id, own ?? null);
    // Who is named and is not the event's user is found by a claim beside it.
    if (group) this.claims.set(`${id}/0`, user);
    if (type === "follow" || type === "unfollow") this.#hear(user, { friend: type === "follow", at, id });
    if (message) Object.assign(this.#message(own, message.id), { kind: message.type, text: own ? (message.text ?? null) : null });
    if (unsent) this.#message(own, unsent).unsent = true;
    if (own && (message || unsent) && !this.users.has(own)) this.users.set(own, undefined);
  }

  #hear(user, word) {
    const known = this.users.get(user);
    const isNewer = !known || known.at < word.at || (known.at === word.at && known.id < word.id);
    if (isNewer) this.users.set(user, word);
  }

  #message(user, id) {
    const place = `${user ?? ""}/${id}`;
    if (!this.messages.has(place)) this.messages.set(place, { unsent: false });
    return this.messages.get(place);
  }

  /** Texts that nobody may read any more. */
  unsentTexts() {
    return [...this.messages.values()].filter(({ unsent, text }) => unsent && text).map(({ text }) => text);
  }
}

/**
 * Where two tables by key differ; nothing where they agree.
 *
 * @param {Map<string, unknown>} expected
 * @param {Map<string, unknown>} seen
 * @returns {string[]}
 */
export function differences(expected, seen) {
  const different = [];
  const say = (key) => different.push(`${key}: ${JSON.stringify(seen.get(key))} instead of ${JSON.stringify(expected.get(key))}`);
  for (const [key, value] of expected) if (JSON.stringify(seen.get(key)) !== JSON.stringify(value)) say(key);
  for (const key of seen.keys()) if (!expected.has(key)) say(key);
  return different;
}
