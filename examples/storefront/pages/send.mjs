/** How far a send is; the page reloads itself until there is nothing more to wait for. */

import { html } from "../html.mjs";
import { layout } from "./layout.mjs";

/** Enishi's states of a send, and whether there is more to wait for. */
const WAITING = { expanding: true, sending: true, done: false, partly_failed: false, paused: false };

/**
 * @param {import("../visit.mjs").Visit} visit
 * @param {object | undefined} send  as Enishi answers; undefined while it cannot be asked
 */
export function sendPage(visit, send) {
  const { t } = visit;
  const waiting = WAITING[send?.state] ?? !send;
  const standIn = visit.shop.config.line_simulator;
  const body = html`<h1 class="ruled">${t("staff.sendTitle")} <span class="badge">${t("staff.demo")}</span></h1>
<section class="sheet">
<dl>
<dt>${t("staff.state")}</dt><dd data-testid="send-state" data-state="${send?.state ?? "unknown"}">${words(t, send?.state)}</dd>
${["targeted", "accepted", "excluded", "failed"].map(
    (figure) => html`<dt>${t(`staff.${figure}`)}</dt><dd data-testid="send-${figure}">${send?.[figure] ?? "–"}</dd>`,
  )}
</dl>
${waiting && html`<p class="quiet" role="status">${t("staff.waiting")}</p>`}
</section>
<p><a class="button plain" href="/staff">${t("staff.back")}</a> ${standIn && html`<a href="${new URL("/sim/", standIn)}">${t("staff.chats")}</a>`}</p>`;
  return layout(visit, { title: t("staff.sendTitle"), body, refresh: waiting && 1 });
}

/** A state that this page does not know is shown as Enishi names it. */
function words(t, state = "…") {
  return Object.hasOwn(WAITING, state) ? t(`send.${state}`) : state;
}
