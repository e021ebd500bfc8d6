/**
 * The back office for the demo: ranks of members, a message to the gold ones, and auto-login links to pages of the shop. It has no login of its
 * own and listens on loopback only; a real shop puts it behind the staff's login.
 */

import { EnishiError } from "./enishi.mjs";
import { linkPage } from "./pages/link.mjs";
import { sendPage } from "./pages/send.mjs";
import { PAGES, staffPage } from "./pages/staff.mjs";
import { RANKS } from "./store.mjs";
import { page, Refused, seeOther } from "./visit.mjs";

const GOLD = { attribute: "rank", equals: "gold" };
const LONGEST_TEXT = 1000;
/** Enishi's limit for a link's label. */
const LONGEST_LABEL = 100;

/** GET `/staff`. */
export async function show(visit) {
  const count = await visit.shop.enishi.count(GOLD).catch((error) => unsure(visit, "count", error));
  return page(staffPage(visit, count));
}

/** POST `/staff/rank`: the shop's own record first, then the attribute at Enishi. */
export async function rank(visit) {
  const form = await visit.form();
  const member = visit.shop.store.member(form.get("member_id"));
  const wanted = form.get("rank");
  if (!member || !RANKS.includes(wanted)) throw new Refused(400, "refused");
  member.rank = wanted;
  visit.shop.store.save();
  try {
    await visit.shop.enishi.describe(member.id, { rank: wanted });
  } catch (error) {
    return refusedBy(visit, error);
  }
  return seeOther("/staff");
}

/** POST `/staff/sends`. The form carries its own idempotency key: a second click is the same send. */
export async function send(visit) {
  const form = await visit.form();
  const text = (form.get("text") ?? "").replace(/\r\n/g, "\n").trim();
  const key = form.get("key") ?? "";
  if (!text || text.length > LONGEST_TEXT || !/^[\w-]{16,64}$/.test(key)) throw new Refused(400, "refused");
  try {
    const { id } = await visit.shop.enishi.send(GOLD, [{ type: "text", text }], key);
    return seeOther(`/staff/sends/${encodeURIComponent(id)}`);
  } catch (error) {
    return refusedBy(visit, error);
  }
}

/** GET `/staff/sends/{id}`. */
export async function progress(visit, id) {
  const send = await visit.shop.enishi.progress(id).catch((error) => unsure(visit, "progress", error));
  if (send === null) throw new Refused(404, "missing");
  return page(sendPage(visit, send));
}

/** POST `/staff/links`: an auto-login link to a page of this shop. */
export async function makeLink(visit) {
  const form = await visit.form();
  const path = form.get("page");
  const label = (form.get("label") ?? "").trim();
  if (!Object.hasOwn(PAGES, path) || label.length > LONGEST_LABEL) throw new Refused(400, "refused");
  try {
    const { id } = await visit.shop.enishi.autoLoginLink(visit.shop.origin + path, label);
    return seeOther(`/staff/links/${encodeURIComponent(id)}`);
  } catch (error) {
    return refusedBy(visit, error);
  }
}

/** GET `/staff/links/{id}`: its address, to be put into a message or a rich menu. */
export async function showLink(visit, id) {
  const link = await visit.shop.enishi.autoLoginLinkOf(id).catch((error) => unsure(visit, "link", error));
  if (link === null) throw new Refused(404, "missing");
  return page(linkPage(visit, link));
}

function unsure(visit, what, error) {
  visit.shop.log(what, error);
  return undefined;
}

async function refusedBy(visit, error) {
  if (!(error instanceof EnishiError)) throw error;
  visit.shop.log("staff", error);
  return page(staffPage(visit, undefined, error), 502);
}
