/**
 * Deliveries as LINE makes them on a bad day, drawn from a seed: events of several users in one delivery, what comes twice, late,
 * or again with `isRedelivery`, what is too large for a queue's message, and types that nobody knows.
 *
 * @typedef {{id: string, type: string, user?: string, group?: string, at: number, message?: {id: string, type: string, text?: string}, unsent?: string}} Happened
 * @typedef {{body: string, again: string, events: Happened[], large: boolean}} Delivery  `again`: as LINE redelivers it
 */

/** How many of a hundred deliveries come twice, come again as redelivered, and come out of their order; and how far. */
const DUPLICATES = 20;
const REDELIVERED = 5;
const REORDERED = 10;
const WINDOW = 40;

/** Every so manyth is larger than a queue's message holds. */
const LARGE_EVERY = 90;
const TEXT_LENGTH = 5_000;
const LARGE_TEXTS = 8;
const PAYLOAD = 110_000;

const BEGAN = 1_767_225_600_000;
/** Times are this many milliseconds apart, or equal. */
const STEP = 100;

const TYPES = [["message", 40], ["follow", 16], ["unfollow", 12], ["unsend", 10], ["postback", 10], ["someFutureEvent", 6], ["groupMessage", 6]];

/** Mulberry32: numbers from 0 to 1, the same for the same seed. */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class Storm {
  #random;
  #bot;
  #users;
  #written = [];
  #numbers = 0;

  /**
   * @param {number} seed
   * @param {string} bot  `destination`
   * @param {number} count  of deliveries, each counted once
   */
  constructor(seed, bot, count) {
    this.#random = generator(seed);
    this.#bot = bot;
    this.#users = Array.from({ length: Math.max(10, Math.ceil(count / 20)) }, () => `U${this.#hex(32)}`);
    /** @type {Delivery[]} */
    this.deliveries = Array.from({ length: count }, (_, at) => this.#delivery(at));
    /** In the order in which they are sent. @type {{body: string, of: Delivery}[]} */
    this.sent = this.#sent();
  }

  #below(count) {
    return Math.floor(this.#random() * count);
  }

  #percent(share) {
    return this.#below(100) < share;
  }

  #one(list) {
    return list[this.#below(list.length)];
  }

  #hex(length) {
    return Array.from({ length }, () => this.#below(16).toString(16)).join("");
  }

  /** As a ULID looks. Its order says nothing of the time, so that it settles events of the same time by itself. */
  #id() {
    return `01K${Array.from({ length: 23 }, () => "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[this.#below(32)]).join("")}`;
  }

  #type() {
    let left = this.#random() * TYPES.reduce((sum, [, weight]) => sum + weight, 0);
    return TYPES.find(([, weight]) => (left -= weight) < 0)[0];
  }

  #delivery(at) {
    const large = at % LARGE_EVERY === LARGE_EVERY - 1;
    const texts = large && this.#percent(50);
    const count = texts ? LARGE_TEXTS : 1 + this.#below(this.#percent(70) ? 2 : 5);
    const events = Array.from({ length: count }, () => this.#happened(at, texts ? "message" : this.#type(), texts));
    const payload = large && !texts ? "x".repeat(PAYLOAD) : undefined;
    const body = (again) => JSON.stringify({ destination: this.#bot, events: events.map((event) => written(event, again, payload)) });
    return { body: body(false), again: body(true), events, large };
  }

  /** @returns {Happened} */
  #happened(delivery, type, long) {
    const group = type === "groupMessage" ? `C${this.#hex(32)}` : undefined;
    const event = { id: this.#id(), type: group ? "message" : type, user: this.#one(this.#users), group, at: BEGAN + (delivery + this.#below(30)) * STEP };
    if (event.type === "unsend") return this.#unsend(event);
    if (event.type === "message") {
      this.#numbers += 1;
      const id = String(461_876_490_000 + this.#numbers);
      const text = `お問い合わせ${id}。${long ? "茶".repeat(TEXT_LENGTH - 20) : ""}`;
      event.message = this.#percent(15) ? { id, type: "sticker", packageId: "1", stickerId: "2" } : { id, type: "text", quoteToken: "q", text };
      this.#written.push(event);
    }
    return event;
  }

  /** Whoever wrote a message takes it back; before anybody wrote, they tap something. */
  #unsend(event) {
    if (this.#written.length === 0) return { ...event, type: "postback" };
    const [{ user, group, message, at }] = this.#written.splice(this.#below(this.#written.length), 1);
    return { ...event, user, group, unsent: message.id, at: Math.max(event.at, at + STEP) };
  }

  #sent() {
    const sent = [];
    for (const [at, of] of this.deliveries.entries()) {
      const place = at + (this.#percent(REORDERED) ? this.#below(2 * WINDOW) - WINDOW : 0);
      sent.push({ place, body: of.body, of });
      if (this.#percent(DUPLICATES)) sent.push({ place: place + this.#below(WINDOW), body: of.body, of });
      if (this.#percent(REDELIVERED)) sent.push({ place: place + WINDOW + this.#below(WINDOW), body: of.again, of });
    }
    return sent.sort((a, b) => a.place - b.place);
  }
}

/** An event as LINE writes it. */
function written({ id, type, user, group, at, message, unsent }, again, payload) {
  return {
    type,
    mode: "active",
    timestamp: at,
    source: group ? { type: "group", groupId: group, userId: user } : { type: "user", userId: user },
    webhookEventId: id,
    deliveryContext: { isRedelivery: again },
    ...(type === "follow" && { replyToken: "r", follow: { isUnblocked: false } }),
    ...(type === "postback" && { replyToken: "r", postback: { data: "a=1" } }),
    ...(message && { replyToken: "r", message }),
    ...(unsent && { unsend: { messageId: unsent } }),
    ...(payload && { payload }),
  };
}
