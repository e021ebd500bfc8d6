/** The way in: one green button. */

import { html } from "../html.mjs";
import { layout } from "./layout.mjs";
import { lineButton } from "./line-button.mjs";

/**
 * @param {import("../visit.mjs").Visit} visit
 * @param {string} target  a path of this shop, where the visitor wanted to go
 */
export function loginPage(visit, target) {
  const { t } = visit;
  const body = html`<section class="sheet narrow">
<h1>${t("login.title")}</h1>
<p class="lead-line">${t("login.lead")}</p>
${lineButton(visit, startPath(target))}
<p><a href="${startPath(target, { prompt: "login" })}" data-testid="line-login-other">${t("login.other")}</a></p>
<p>${t("login.text")}</p>
<p class="small">${t("login.notice")}</p>
</section>`;
  return layout(visit, { title: t("login.title"), body });
}

function startPath(target, wishes = {}) {
  const query = new URLSearchParams({ ...(target === "/" ? {} : { target_link_uri: target }), ...wishes });
  return query.size > 0 ? `/login/line?${query}` : "/login/line";
}
