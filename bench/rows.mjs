/**
 * What is measured: the rows of the table. A row is one kind of request to one worker, or to the rival, in a process of its
 * own.
 *
 * @typedef {import("./worker.mjs").Worker | import("./rival.mjs").Rival} Subject
 *
 * @typedef {object} Row
 * @property {string} id
 * @property {string} title
 * @property {boolean} floor  whether others are compared with it
 * @property {string} [rivals]  the row of Enishi's that it does the same as, if it is the rival's
 * @property {(state?: string) => Promise<Subject>} start
 * @property {boolean} stateful  whether it runs on the prepared state
 * @property {import("./load.mjs").Asked | import("./load.mjs").Supply} asked
 * @property {(answer: import("./load.mjs").Answer) => void} check  throws at a wrong answer
 * @property {number} [messages]  in a request, if it is a group for the consumer: then figures are those of one message
 * @property {string} [applied]  SQL: how many of these are applied
 * @property {number} requests  in one slot; see `rounds.mjs`
 * @property {number} warmUp  slots before the first round, so that V8 has compiled what is hot
 */

import { fileURLToPath } from "node:url";

import * as deliveries from "./deliveries.mjs";
import * as enishi from "./enishi.mjs";
import * as flow from "./flow.mjs";
import { besideLine } from "./line.mjs";
import { check } from "./load.mjs";
import * as rival from "./rival.mjs";
import { Worker } from "./worker.mjs";

/** Slots until the CPU of a request no longer falls. The rival is all JavaScript and takes several thousand requests. */
const WARM_UP = { worker: 8, rival: 64 };

const JAVASCRIPT = fileURLToPath(new URL("floor/javascript", import.meta.url));

/**
 * @param {{enishi: string, floor: string}} folders  of the built workers
 * @param {import("./enishi.mjs").Prepared} prepared
 * @returns {Row[]}
 */
export function rows(folders, { account, accessToken, links }) {
  const one = deliveries.delivery(1);
  const floor = (id, title, requests, folder, vars) => ({
    id, title, floor: true, start: () => Worker.start({ folder, vars }), stateful: false, asked: { path: "/", status: 200 },
    check() {}, requests, warmUp: WARM_UP.worker,
  });
  const rust = (id, title, requests, vars) => floor(id, title, requests, folders.floor, vars);
  const subject = (id, title, requests, asked) => ({
    id, title, floor: false, start: (state) => Worker.start({ folder: folders.enishi, vars: enishi.VARS }, state), stateful: true,
    asked, check: (answer) => check(title, enishi.right[id], answer), requests, warmUp: WARM_UP.worker,
  });
  const callsLine = (row) => {
    const start = (state) => besideLine(enishi.AT_LINE, (line) => Worker.start({ folder: folders.enishi, vars: enishi.at(line) }, state));
    return { ...row, start };
  };
  const consumer = (id, title, requests, messages, folder, vars, what) => ({
    id, title, floor: false, messages, stateful: false, check() {}, requests, warmUp: WARM_UP.worker,
    start: (state) => Worker.start({ folder, vars, consumes: true }, state), asked: deliveries.groups(account, what, messages),
  });
  const acked = (id, title, requests, messages) => ({ ...consumer(id, title, requests, messages, folders.floor, { DOES: "nothing" }, "message"), floor: true });
  const applied = (id, title, requests, messages, what) => ({
    ...consumer(id, title, requests, messages, folders.enishi, enishi.VARS, what), stateful: true, applied: deliveries.APPLIED[what],
    check: (answer) => check(title, enishi.right[id], answer),
  });
  const other = (rivals, title, requests, asked, right) => ({
    id: `rival_${rivals}`, title, floor: false, rivals, start: () => rival.Rival.start(), stateful: false,
    asked, check: (answer) => check(title, right, answer), requests, warmUp: WARM_UP.rival,
  });
  return [
    floor("nothing_js", "floor: nothing, JavaScript", 1500, JAVASCRIPT, {}),
    rust("nothing_rust", "floor: nothing, Rust", 1500, { DOES: "nothing" }),
    rust("queue", "floor: one queue message", 400, { DOES: "queue", MESSAGE_BYTES: String(deliveries.queued(account, one)) }),
    rust("d1", "floor: one D1 call", 80, { DOES: "d1" }),
    acked("acked_100", "floor: a message acknowledged, of 100", 20, 100),
    acked("acked_1", "floor: a message acknowledged, alone", 200, 1),
    subject("discovery", "discovery", 500, enishi.discovery),
    subject("jwks", "JWKS", 500, enishi.jwks),
    subject("authorize", "/authorize", 500, enishi.login),
    callsLine(subject("callback", "/line/callback", 20, enishi.callbacks)),
    subject("go_sealed", "/go, sealed", 500, enishi.opened(links.sealed)),
    subject("go_stored", "/go, stored, KV", 150, enishi.opened(links.stored)),
    subject("authorize_session", "/authorize with a session", 60, enishi.authorize),
    subject("par", "/par", 60, enishi.push),
    subject("authorize_pushed", "/authorize, pushed, with a session", 60, enishi.opening),
    subject("token", "/token", 30, enishi.token),
    subject("refresh", "/token, refresh", 30, enishi.refresh),
    subject("userinfo", "/userinfo", 60, enishi.userinfo(accessToken)),
    subject("webhook_1", "webhook, 1 event", 400, one),
    subject("webhook_100", "webhook, 100 events", 60, deliveries.delivery(100)),
    applied("follow_100", "a follow applied, of 100", 4, 100, "follow"),
    applied("follow_1", "a follow applied, alone", 40, 1, "follow"),
    applied("message_100", "a message applied, of 100", 4, 100, "message"),
    applied("message_1", "a message applied, alone", 40, 1, "message"),
    subject("link_cached", "link look-up, KV", 150, enishi.lookUp({ fresh: false })),
    subject("link_fresh", "link look-up, D1", 40, enishi.lookUp({ fresh: true })),
    other("authorize_session", "oidc-provider /authorize with a session", 200, rival.authorize, flow.isCode),
    other("token", "oidc-provider /token", 60, rival.token, flow.isTokens),
  ];
}
