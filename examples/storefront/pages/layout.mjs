/** What every page has around it, and the form that every button that changes something lives in. */

import { size } from "../cart.mjs";
import { html } from "../html.mjs";

/**
 * @param {import("../visit.mjs").Visit} visit
 * @param {{title: string, body: object, refresh?: number}} content  `refresh` in seconds
 */
export function layout(visit, { title, body, refresh }) {
  const { t } = visit;
  return html`<!doctype html>
<html lang="${visit.lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${refresh && html`<meta http-equiv="refresh" content="${refresh}">`}
<title>${title} | ${t("shop.name")}</title>
<link rel="stylesheet" href="/assets/shop.css">
<link rel="icon" href="/assets/mark.svg">
</head>
<body>
<a class="skip" href="#main">${t("nav.skip")}</a>
<header class="top">
  <a class="brand" href="/"><img class="mark" src="/assets/mark.svg" alt=""><span><b>${t("shop.name")}</b> <small>${t("shop.reading")}</small></span></a>
  <nav aria-label="${t("nav.main")}">
    ${item(visit, "/", t("nav.goods"))}
    ${item(visit, "/cart", html`${t("nav.cart")}${size(visit.cart) > 0 && html` <span class="count">${size(visit.cart)}</span>`}`)}
    ${visit.member ? item(visit, "/mypage", t("nav.mypage")) : item(visit, "/login", t("nav.login"))}
  </nav>
  ${visit.member && html`<p class="who" data-testid="logged-in-as">${t("mypage.greeting", { name: visit.member.name })}</p>`}
</header>
<main id="main">
${body}
</main>
<footer class="foot">
  <p>${t("shop.footer")}</p>
  <p><a href="${otherLanguage(visit)}" hreflang="${other(visit.lang)}" lang="${other(visit.lang)}">${t("nav.language")}</a> <a href="/staff">${t("nav.staff")}</a></p>
</footer>
</body>
</html>
`;
}

/**
 * A form of this shop: it carries its session's token for its path.
 *
 * @param {import("../visit.mjs").Visit} visit
 * @param {string} action
 * @param {object} content
 */
export function form(visit, action, content) {
  return html`<form method="post" action="${action}"><input type="hidden" name="token" value="${visit.token(action)}">${content}</form>`;
}

/** An amount of yen, in the visitor's language. */
export const yen = (visit, amount) => visit.t("price", { amount: amount.toLocaleString("en-US") });

function item(visit, href, words) {
  const here = visit.url.pathname === href && html` aria-current="page"`;
  return html`<a href="${href}"${here}>${words}</a>`;
}

const other = (lang) => (lang === "ja" ? "en" : "ja");

/** The same page in the other language; the steps of a login cannot be repeated, so they lead home. */
function otherLanguage({ url, lang }) {
  const path = ["/callback", "/login/line"].includes(url.pathname) ? "/" : url.pathname;
  return `${path}?lang=${other(lang)}`;
}
