/**
 * The LINE Login button by LINE's design rules (colours, spacing and states are in `assets/shop.css`).
 *
 * LINE's icon may not be redrawn, so this repository does not carry one. Put the speech bubble of LINE's own button
 * download (white, transparent ground) beside the style sheet as `line-icon.png` or `line-icon.svg`, and the button
 * shows it with its divider; until then it is the text alone.
 */

import { readFileSync } from "node:fs";

import { html } from "../html.mjs";

const ICON = ["svg", "png"].map(readIcon).find(Boolean);

/** The icon's bytes and type if it is there, for the route `/assets/line-icon`. */
export const lineIcon = ICON;

/**
 * @param {import("../visit.mjs").Visit} visit
 * @param {string} href  where the login starts
 */
export function lineButton(visit, href) {
  return html`<p class="line-clear"><a class="line-button" href="${href}" data-testid="line-login">${
    ICON && html`<img class="line-icon" src="/assets/line-icon" alt="">`
  }<span class="line-text">${visit.t("login.button")}</span></a></p>`;
}

function readIcon(type) {
  try {
    const bytes = readFileSync(new URL(`../assets/line-icon.${type}`, import.meta.url));
    return { bytes, type: type === "svg" ? "image/svg+xml" : "image/png" };
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}
