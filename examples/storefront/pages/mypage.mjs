/** The member's own page: who they are here, and the link with LINE. */

import { html } from "../html.mjs";
import { form, layout } from "./layout.mjs";
import { lineButton } from "./line-button.mjs";

/**
 * @param {import("../visit.mjs").Visit} visit  of a member who is logged in
 * @param {{sure: boolean, linkPath: string}} state  whether Enishi confirmed the link; where a new one starts
 */
export function mypage(visit, { sure, linkPath }) {
  const { t, member } = visit;
  const body = html`<h1 class="ruled">${t("mypage.title")}</h1>
<section class="sheet">
<h2>${t("mypage.greeting", { name: member.name })}</h2>
<dl>
<dt>${t("mypage.number")}</dt><dd data-testid="member-id">${member.id}</dd>
<dt>${t("mypage.rank")}</dt><dd data-testid="mypage-rank">${t(`rank.${member.rank}`)}</dd>
</dl>
</section>
<section class="sheet">
<h2>${t("mypage.line")}</h2>
${!sure && html`<p class="warning" role="status">${t("mypage.unsure")}</p>`}
${member.line ? linked(visit, member.line) : unlinked(visit, linkPath)}
</section>
${form(visit, "/logout", html`<button class="button plain" data-testid="logout">${t("mypage.logout")}</button>`)}`;
  return layout(visit, { title: t("mypage.title"), body });
}

function linked(visit, line) {
  const { t } = visit;
  return html`<p class="state on" data-testid="mypage-link-state" data-linked="true">${t("mypage.linked")}</p>
<dl>
<dt>${t("mypage.lineName")}</dt><dd class="person">${portrait(line)}<span>${line.name}</span></dd>
<dt>${t("mypage.friend")}</dt><dd data-testid="mypage-friend" data-friend="${String(line.friend)}">${t(line.friend ? "mypage.friendYes" : "mypage.friendNo")}</dd>
<dt>${t("mypage.since")}</dt><dd>${day(visit, line.since)}</dd>
</dl>
${form(
    visit,
    "/mypage/unlink",
    html`<p class="small" id="unlink-notice">${t("mypage.unlinkNotice")}</p><button class="button danger" aria-describedby="unlink-notice" data-testid="unlink">${t("mypage.unlink")}</button>`,
  )}`;
}

function unlinked(visit, linkPath) {
  const { t } = visit;
  return html`<p class="state" data-testid="mypage-link-state" data-linked="false">${t("mypage.unlinked")}</p>
<p>${t("mypage.linkAgain")}</p>
${lineButton(visit, linkPath)}
<p class="small">${t("login.notice")}</p>`;
}

/** Decoration beside the name, so it has no text of its own; the initial stands in until the picture is there. */
function portrait({ name, picture }) {
  return html`<span class="portrait" aria-hidden="true">${[...name][0]}${
    /^https?:\/\//.test(picture ?? "") && html`<img src="${picture}" alt="">`
  }</span>`;
}

function day(visit, iso) {
  return new Intl.DateTimeFormat(visit.lang, { dateStyle: "long", timeZone: "Asia/Tokyo" }).format(new Date(iso));
}
