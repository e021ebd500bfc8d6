/**
 * What is measured: the rows of the table. A row is one kind of request to one worker in a process of its own.
 *
 * @typedef {object} Row
 * @property {string} id
 * @property {string} title
 * @property {boolean} floor  whether others are compared with it
 * @property {import("./worker.mjs").Made} made
 * @property {boolean} stateful  whether it runs on the prepared state
 * @property {import("./load.mjs").Asked} asked
 * @property {(answer: {headers: object, body: string}) => void} check  throws at a wrong answer
 * @property {number} requests  in one slot; see `rounds.mjs`
 */

import { fileURLToPath } from "node:url";

import * as enishi from "./enishi.mjs";

const JAVASCRIPT = fileURLToPath(new URL("floor/javascript", import.meta.url));

/**
 * @param {{enishi: string, floor: string}} folders  of the built workers
 * @param {string} account  the account's id in the prepared state
 * @returns {Row[]}
 */
export function rows(folders, account) {
  const one = enishi.delivery(1);
  const floor = (id, title, requests, folder, vars) => ({
    id, title, floor: true, made: { folder, vars }, stateful: false, asked: { path: "/", status: 200 }, check() {}, requests,
  });
  const rust = (id, title, requests, vars) => floor(id, title, requests, folders.floor, vars);
  const subject = (id, title, requests, asked, answer) => ({
    id, title, floor: false, made: { folder: folders.enishi, vars: enishi.VARS }, stateful: true, asked,
    check: (got) => enishi.check(answer, got), requests,
  });
  return [
    floor("nothing_js", "floor: nothing, JavaScript", 1500, JAVASCRIPT, {}),
    rust("nothing_rust", "floor: nothing, Rust", 1500, { DOES: "nothing" }),
    rust("queue", "floor: one queue message", 400, { DOES: "queue", MESSAGE_BYTES: String(enishi.queued(account, one)) }),
    rust("d1", "floor: one D1 call", 80, { DOES: "d1" }),
    subject("authorize", "/authorize", 500, enishi.authorize, "authorize"),
    subject("webhook_1", "webhook, 1 event", 400, one, "webhook"),
    subject("webhook_100", "webhook, 100 events", 60, enishi.delivery(100), "webhook"),
    subject("link_cached", "link look-up, KV", 150, enishi.lookUp({ fresh: false }), "link"),
    subject("link_fresh", "link look-up, D1", 40, enishi.lookUp({ fresh: true }), "link"),
  ];
}
