/**
 * Logging in with LINE, and the ID link. This file and `oidc.mjs` are what a shop engineer copies.
 *
 *   GET /login/line   starts a login; also the endpoint for logins that others initiate (OIDC Core, section 4)
 *   GET /callback     ends it: the member that Enishi names is logged in, a new customer is registered and linked
 *   POST /logout      ends the session here and at Enishi (RP-Initiated Logout)
 *   POST /mypage/unlink
 */

import { merge } from "./cart.mjs";
import { EnishiError } from "./enishi.mjs";
import { AuthorizationResponseError } from "./oidc.mjs";
import { messagePage } from "./pages/message.mjs";
import { keepLogin, takeLogin, tokenFits } from "./session.mjs";
import { safeTarget } from "./target.mjs";
import { page, Refused, seeOther } from "./visit.mjs";

/** Whether the LINE user is a friend of the shop's Official Account: a claim of Enishi's beside the standard ones. */
const LINE_FRIEND = "line_friend";

/** The parameters of section 4, and our own two. */
const PARAMETERS = ["iss", "login_hint", "target_link_uri", "prompt", "link"];

/** The address of the green button on the my-page: it links the member who is logged in, and only this session has it. */
export const linkPath = (visit) => `/login/line?${new URLSearchParams({ link: visit.token("link"), target_link_uri: "/mypage" })}`;

/** POST `/login/line`: a form of another site brings no `Lax` cookie, so it goes on as the GET that does. */
export async function restart(visit) {
  const form = await visit.form();
  const query = new URLSearchParams([...form].filter(([name]) => PARAMETERS.includes(name)));
  return seeOther(`/login/line?${query}`);
}

/** GET `/login/line`. */
export async function start(visit) {
  const { config, oidc } = visit.shop;
  const query = visit.url.searchParams;
  // 1. Whoever initiates the login names the issuer; there is only one that we trust.
  if (query.getAll("iss").some((iss) => iss !== config.issuer)) throw new Refused(400, "foreignIssuer");
  // 2. A login that shall link the current member must come from our own my-page, or a stranger could link his LINE.
  const ours = visit.member && tokenFits(visit.session, "link", query.get("link"));
  // 3. Fresh state, nonce and PKCE verifier, kept in the session. Enishi is told the page as well: where LINE's auto-login
  // fails, the button that tries again leads back to it.
  const target = safeTarget(query.get("target_link_uri"), visit.shop.origin);
  const started = await oidc
    .start({
      login_hint: query.get("login_hint"),
      target_link_uri: target === "/" ? null : visit.shop.origin + target,
      prompt: query.get("prompt") === "login" ? "login" : null,
      ui_locales: visit.lang,
    })
    .catch((error) => unavailable(visit, error));
  keepLogin(visit.session, {
    ...started.login,
    target,
    linksMember: ours ? visit.member.id : null,
  });
  return seeOther(started.url);
}

/** GET `/callback`. */
export async function finish(visit) {
  // 1. The state must be one that this session started; it counts once.
  const login = takeLogin(visit.session, visit.url.searchParams.get("state"));
  if (!login && visit.member) return seeOther("/mypage");
  if (!login) throw new Refused(400, "expired");
  // 2. The stock client does all the checking.
  let finished;
  try {
    finished = await visit.shop.oidc.finish(visit.url.search, login);
  } catch (error) {
    return refused(visit, error);
  }
  // 3. Find the member or make one, and log in under a new session id.
  const member = await memberOf(visit, finished.claims, login);
  merge(member.cart, visit.session.cart);
  visit.session.cart = {};
  visit.shop.store.save();
  visit.logIn(member.id, finished.idToken);
  return seeOther(login.target);
}

/** POST `/logout`: here, and at Enishi too, or the next login would need no word of the customer's. */
export async function leave(visit) {
  const { idToken } = visit.session;
  const { oidc, origin, log } = visit.shop;
  visit.logOut();
  if (!idToken) return seeOther("/");
  try {
    return seeOther(await oidc.leave(idToken, `${origin}/`));
  } catch (error) {
    log("logout", error);
    return seeOther("/");
  }
}

/** POST `/mypage/unlink`: the link ends, the member stays logged in. */
export async function unlink(visit) {
  const { member } = visit;
  if (!member?.line) return seeOther("/mypage");
  try {
    await visit.shop.enishi.unlink(member.line.sub);
  } catch (error) {
    visit.shop.log("unlink", error);
    throw new Refused(503, "unlinkFailed");
  }
  visit.shop.store.unlink(member);
  return seeOther("/mypage");
}

async function memberOf(visit, claims, login) {
  const { store } = visit.shop;
  if (claims.member_id) {
    const known = store.member(claims.member_id) ?? store.register(nameIn(claims), claims.member_id);
    store.link(known, lineIn(claims, known));
    return known;
  }
  const current = login.linksMember && login.linksMember === visit.session.memberId ? visit.member : undefined;
  const member = current ?? store.register(nameIn(claims));
  try {
    await visit.shop.enishi.link(claims.sub, member.id);
  } catch (error) {
    if (!current) store.remove(member);
    visit.shop.log("link", error);
    throw error instanceof EnishiError && error.status === 409 ? new Refused(409, "conflict") : new Refused(503, "failed");
  }
  store.link(member, lineIn(claims));
  await describe(visit, member);
  return member;
}

/** The rank is a fact about the member that segments use. Without it the login is no worse, so a failure only is logged. */
async function describe(visit, member) {
  try {
    await visit.shop.enishi.describe(member.id, { rank: member.rank });
  } catch (error) {
    visit.shop.log("describe", error);
  }
}

const nameIn = (claims) => claims.name ?? "LINE";

const lineIn = (claims, known) => ({
  sub: claims.sub,
  name: nameIn(claims),
  picture: claims.picture ?? null,
  friend: claims[LINE_FRIEND] === true,
  since: known?.line?.since ?? new Date().toISOString(),
});

function unavailable(visit, error) {
  visit.shop.log("discovery", error);
  throw new Refused(503, "unavailable");
}

function refused(visit, error) {
  if (error instanceof AuthorizationResponseError && error.error === "access_denied") {
    return page(messagePage(visit, "cancelled", { retry: true }));
  }
  visit.shop.log("callback", error);
  throw new Refused(400, "failed");
}
