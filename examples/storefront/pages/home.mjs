/** What the shop sells. */

import { GOODS } from "../goods.mjs";
import { html } from "../html.mjs";
import { form, layout, yen } from "./layout.mjs";

/** @param {import("../visit.mjs").Visit} visit */
export function homePage(visit) {
  const { t } = visit;
  const body = html`<section class="lead"><p class="lead-line">${t("home.lead")}</p><p>${t("home.text")}</p></section>
<h1 class="ruled">${t("home.title")}</h1>
<ul class="goods">${GOODS.map((goods) => card(visit, goods))}</ul>`;
  return layout(visit, { title: t("shop.tagline"), body });
}

function card(visit, { id, price, picture }) {
  const { t } = visit;
  return html`<li class="card" data-testid="product" data-goods="${id}">
  ${picture}
  <div class="card-text">
    <h2>${t(`goods.${id}.name`)}</h2>
    <p>${t(`goods.${id}.note`)}</p>
    <p class="price">${yen(visit, price)} <small>${t("price.tax")}</small></p>
    ${form(
      visit,
      "/cart/add",
      html`<button class="button" name="goods" value="${id}" data-testid="add-to-cart">${t("home.add")}</button>`,
    )}
  </div>
</li>`;
}
