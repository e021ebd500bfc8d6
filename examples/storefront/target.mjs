/**
 * Where a visitor goes after the login. `target_link_uri` comes from whoever initiated the login (OIDC Core, section 4),
 * so it may only name a page of this shop: anything else would make the shop an open redirector.
 */

/** Pages that are steps of logging in or out: to return to them would go round in circles. */
const STEPS = ["/login", "/login/line", "/callback", "/logout"];

/**
 * The path of this shop that `value` names, with query and fragment, or `/` when it names anything else.
 *
 * @param {string | null | undefined} value  an absolute address or a path
 * @param {string} origin  the shop's own origin, such as `https://shop.example`
 * @returns {string} always starts with exactly one slash
 */
export function safeTarget(value, origin) {
  const url = parse(value, origin);
  if (!url || url.origin !== origin || url.username || url.password) return "/";
  // A path such as `//elsewhere.example` would be another host once it stands in a Location header.
  if (url.pathname.startsWith("//") || STEPS.includes(url.pathname)) return "/";
  return url.pathname + url.search + url.hash;
}

function parse(value, origin) {
  if (!value || value.length > 2000 || /[\\\p{Cc}]/u.test(value)) return null;
  try {
    return new URL(value, origin);
  } catch {
    return null;
  }
}
