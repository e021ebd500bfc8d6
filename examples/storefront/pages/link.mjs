/** An auto-login link that was made: its address, ready to be copied. */

import { html } from "../html.mjs";
import { layout } from "./layout.mjs";

/**
 * @param {import("../visit.mjs").Visit} visit
 * @param {{url: string, target: string, label: string} | undefined} link  as Enishi answers; undefined while it cannot be asked
 */
export function linkPage(visit, link) {
  const { t } = visit;
  const body = html`<h1 class="ruled">${t("staff.link")} <span class="badge">${t("staff.demo")}</span></h1>
<section class="sheet">
${link ? shown(t, link) : html`<p class="warning" role="status">${t("staff.linkUnsure")}</p>`}
</section>
<p><a class="button plain" href="/staff">${t("staff.back")}</a></p>`;
  return layout(visit, { title: t("staff.link"), body });
}

function shown(t, { url, target, label }) {
  return html`<dl>
<dt>${t("staff.linkAddress")}</dt><dd class="address"><code data-testid="link-url">${url}</code></dd>
<dt>${t("staff.linkTo")}</dt><dd class="address">${target}</dd>
<dt>${t("staff.linkLabel")}</dt><dd>${label || "–"}</dd>
</dl>
<p class="small">${t("staff.linkNote")}</p>`;
}
