/** What the visitor is about to buy. */

import { lines } from "../cart.mjs";
import { html } from "../html.mjs";
import { form, layout, yen } from "./layout.mjs";

/** @param {import("../visit.mjs").Visit} visit */
export function cartPage(visit) {
  const { t } = visit;
  const chosen = lines(visit.cart);
  const body = html`<h1 class="ruled">${t("cart.title")}</h1>
${chosen.length > 0 ? table(visit, chosen) : html`<p class="quiet">${t("cart.empty")}</p>`}
${!visit.member && chosen.length > 0 && html`<p class="note">${t("cart.guest")} <a href="/login?target_link_uri=/cart">${t("nav.login")}</a></p>`}
<p><a class="button plain" href="/">${t("cart.back")}</a></p>`;
  return layout(visit, { title: t("cart.title"), body });
}

function table(visit, chosen) {
  const { t } = visit;
  const total = chosen.reduce((sum, { subtotal }) => sum + subtotal, 0);
  return html`<table class="cart">
<thead><tr><th scope="col">${t("cart.goods")}</th><th scope="col" class="number">${t("cart.quantity")}</th><th scope="col" class="number">${t("cart.subtotal")}</th><td></td></tr></thead>
<tbody>${chosen.map((line) => row(visit, line))}</tbody>
<tfoot><tr><th scope="row" colspan="2">${t("cart.total")}</th><td class="number total" data-testid="cart-total">${yen(visit, total)}</td><td></td></tr></tfoot>
</table>
<p class="quiet">${t("cart.demo")}</p>`;
}

function row(visit, { goods, quantity, subtotal }) {
  const { t } = visit;
  const name = t(`goods.${goods.id}.name`);
  return html`<tr data-testid="cart-line">
<th scope="row"><span class="thumb">${goods.picture}</span>${name}</th><td class="number">${quantity}</td><td class="number">${yen(visit, subtotal)}</td>
<td class="number">${form(
    visit,
    "/cart/remove",
    html`<button class="text-button" name="goods" value="${goods.id}" aria-label="${t("cart.removeGoods", { name })}" data-testid="remove">${t("cart.remove")}</button>`,
  )}</td></tr>`;
}
