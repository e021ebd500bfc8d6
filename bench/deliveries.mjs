/**
 * What LINE delivers: at the door one signed body, behind it the messages that the queue hands to the consumer.
 */

import { createHmac } from "node:crypto";

export const CHANNEL_SECRET = "5f2d1c3b4a69788796a5b4c3d2e1f00f";
export const BOT = "U0123456789abcdef0123456789abcdef";
export const LINE_USER = "Uabcdefabcdefabcdefabcdefabcdefab";

/** Who writes, in turns; after the warm-up everybody is known. */
const WRITERS = 200;

const signature = (body) => createHmac("sha256", CHANNEL_SECRET).update(body).digest("base64");
const bodyOf = (events) => JSON.stringify({ destination: BOT, events });

/** A signed delivery from LINE with so many message events. */
export function delivery(events) {
  const body = bodyOf(Array.from({ length: events }, (_, index) => messageEvent(index, LINE_USER)));
  return {
    method: "POST",
    path: "/line/webhook",
    headers: { "content-type": "application/json; charset=utf-8", "user-agent": "LineBotWebhook/2.0", "x-line-signature": signature(body) },
    body,
    status: 200,
  };
}

/** An event of anybody; the later, the larger its number. */
function event(type, index, userId, own) {
  return {
    type,
    ...own,
    webhookEventId: `01KDVDNA02ABCDEFGH${String(index).padStart(8, "0")}`,
    deliveryContext: { isRedelivery: false },
    timestamp: 1767225600000 + index,
    source: { type: "user", userId },
    replyToken: `0f1e2d3c4b5a69788796a5b4${String(index).padStart(8, "0")}`,
    mode: "active",
  };
}

function messageEvent(index, userId) {
  const number = String(index).padStart(8, "0");
  const message = { type: "text", id: `4618${number}`, quoteToken: `q3Plxr4${number}`, text: "今日の注文の届く日を教えてください。" };
  return event("message", index, userId, { message });
}

const userOf = (number) => `U${String(number).padStart(32, "0")}`;

/** The events that a consumer applies: somebody new adds the account as a friend, or somebody known writes. */
const EVENTS = {
  follow: (index) => event("follow", index, userOf(index + WRITERS), { follow: { isUnblocked: false } }),
  message: (index) => messageEvent(index, userOf(index % WRITERS)),
};

/** The queue message that a delivery becomes. */
function message(account, body) {
  return JSON.stringify({ v: 1, job: "webhook", account, received_at: Date.now(), signature: signature(body), body });
}

/** The bytes of the queue message that a delivery becomes. */
export const queued = (account, { body }) => Buffer.byteLength(message(account, body));

/**
 * Groups of so many messages, as the queue hands them over: each a delivery of one event that nobody had before.
 *
 * @param {string} account
 * @param {"follow" | "message"} what
 * @param {number} size
 * @returns {import("./load.mjs").Supply}
 */
export function groups(account, what, size) {
  let index = 0;
  const next = () => message(account, bodyOf([EVENTS[what]((index += 1))]));
  const group = () => ({ method: "POST", path: "/", body: JSON.stringify(Array.from({ length: size }, next)), status: 200 });
  return async (_, count) => Array.from({ length: count }, group);
}

/** SQL: how many events of each kind have been applied. */
export const APPLIED = {
  follow: "SELECT count(*) AS applied FROM line_users WHERE friend = 1 AND friendship_event <> ''",
  message: "SELECT count(*) AS applied FROM chat_messages WHERE text IS NOT NULL",
};
