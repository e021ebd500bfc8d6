/** A page that says one thing: that a login was cancelled, that something is missing, that something failed. */

import { html } from "../html.mjs";
import { layout } from "./layout.mjs";
import { lineButton } from "./line-button.mjs";

/**
 * @param {import("../visit.mjs").Visit} visit
 * @param {string} words  the prefix of the message's title and text in `i18n/`
 * @param {{retry?: boolean}} options  `retry` offers to log in (again)
 */
export function messagePage(visit, words, { retry = false } = {}) {
  const { t } = visit;
  const title = t(`${words}.title`);
  const body = html`<section class="sheet narrow" data-testid="message-${words}">
<h1>${title}</h1>
<p>${t(`${words}.text`)}</p>
${retry && again(visit)}
<p><a href="/">${t("message.home")}</a></p>
</section>`;
  return layout(visit, { title, body });
}

/** A member who is logged in tries again from the my-page, where a login means a link. */
function again(visit) {
  const { t } = visit;
  if (visit.member) return html`<p><a class="button" href="/mypage">${t("nav.mypage")}</a></p>`;
  return html`<p class="small">${t("message.retry")}</p>
${lineButton(visit, "/login/line")}
<p><a href="/login/line?prompt=login">${t("login.other")}</a></p>`;
}
