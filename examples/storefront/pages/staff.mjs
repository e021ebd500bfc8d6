/** The back office's first page: members with their ranks, a message to the gold ones, a link that logs in by itself. */

import { randomUUID } from "node:crypto";

import { html } from "../html.mjs";
import { RANKS } from "../store.mjs";
import { form, layout } from "./layout.mjs";

/** The pages that a link may lead to, and what they are called. */
export const PAGES = { "/": "nav.goods", "/cart": "nav.cart", "/mypage": "nav.mypage" };

/**
 * @param {import("../visit.mjs").Visit} visit
 * @param {number | undefined} count  whom the send would reach, if Enishi could say
 * @param {import("../enishi.mjs").EnishiError} [refusal]  of what was just tried
 */
export function staffPage(visit, count, refusal) {
  const { t } = visit;
  const members = visit.shop.store.members();
  const body = html`<h1 class="ruled">${t("staff.title")} <span class="badge">${t("staff.demo")}</span></h1>
<p class="quiet">${t("staff.lead")}</p>
${refusal && html`<p class="warning" role="alert">${t("staff.refused")}: <code>${refusal.message}</code></p>`}
<section class="sheet">
<h2>${t("staff.members")}</h2>
${members.length > 0 ? table(visit, members) : html`<p class="quiet">${t("staff.noMembers")}</p>`}
</section>
<section class="sheet">
<h2>${t("staff.send")}</h2>
<p data-testid="gold-count">${count === undefined ? t("staff.countUnsure") : t("staff.count", { count })}</p>
${form(
    visit,
    "/staff/sends",
    html`<input type="hidden" name="key" value="${randomUUID()}">
<label for="text">${t("staff.text")}</label>
<textarea id="text" name="text" rows="3" maxlength="1000" required>${t("staff.defaultText")}</textarea>
<button class="button" data-testid="send-gold">${t("staff.submit")}</button>`,
  )}
</section>
<section class="sheet">
<h2>${t("staff.link")}</h2>
<p class="quiet">${t("staff.linkLead")}</p>
${form(
    visit,
    "/staff/links",
    html`<label for="page">${t("staff.linkTo")}</label>
<select id="page" name="page" data-testid="link-page">${Object.entries(PAGES).map(([path, name]) => html`<option value="${path}">${t(name)}</option>`)}</select>
<label for="label">${t("staff.linkLabel")}</label>
<input id="label" name="label" maxlength="100" value="${t("staff.defaultLabel")}">
<button class="button" data-testid="make-link">${t("staff.makeLink")}</button>`,
  )}
</section>`;
  return layout(visit, { title: t("staff.title"), body });
}

function table(visit, members) {
  const { t } = visit;
  return html`<table class="members">
<thead><tr><th scope="col">${t("mypage.number")}</th><th scope="col">${t("staff.name")}</th><th scope="col">${t("mypage.line")}</th><th scope="col">${t("mypage.rank")}</th></tr></thead>
<tbody>${members.map((member) => row(visit, member))}</tbody>
</table>`;
}

function row(visit, member) {
  const { t } = visit;
  return html`<tr><th scope="row">${member.id}</th><td>${member.name}</td><td>${member.line ? "○" : "–"}</td><td>${form(
    visit,
    "/staff/rank",
    html`<span class="inline"><input type="hidden" name="member_id" value="${member.id}">
<select name="rank" aria-label="${t("mypage.rank")} ${member.id}" data-testid="rank-${member.id}">${RANKS.map(
      (rank) => html`<option value="${rank}"${rank === member.rank && html` selected`}>${t(`rank.${rank}`)}</option>`,
    )}</select>
<button class="button small-button" aria-label="${t("staff.saveFor", { id: member.id })}" data-testid="save-rank-${member.id}">${t("staff.save")}</button></span>`,
  )}</td></tr>`;
}
