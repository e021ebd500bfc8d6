/** Which language a visitor reads, and the words in it. Japanese unless the visitor says otherwise. */

import en from "./en.mjs";
import ja from "./ja.mjs";

/** The dictionaries, by the value of the `lang` attribute. */
export const DICTIONARIES = { ja, en };

/**
 * The language by choice (`?lang=`), or else by the browser's `Accept-Language`.
 *
 * @param {string | null | undefined} chosen
 * @param {string | undefined} accepted  the header
 * @returns {"ja" | "en"}
 */
export function language(chosen, accepted = "") {
  if (Object.hasOwn(DICTIONARIES, chosen ?? "")) return chosen;
  const wanted = accepted
    .split(",")
    .map(preference)
    .filter(({ lang, weight }) => Object.hasOwn(DICTIONARIES, lang) && weight > 0)
    .sort((a, b) => b.weight - a.weight);
  return wanted[0]?.lang ?? "ja";
}

function preference(part) {
  const [tag, ...parameters] = part.trim().toLowerCase().split(";");
  const q = parameters.map((parameter) => /^\s*q=([\d.]+)\s*$/.exec(parameter)).find(Boolean);
  return { lang: tag.split("-")[0], weight: q ? Number(q[1]) : 1 };
}

/**
 * The words of one language: `t("mypage.greeting", { name })`. A key that is missing is a mistake of ours and throws.
 *
 * @param {"ja" | "en"} lang
 */
export function translator(lang) {
  return (key, values = {}) => {
    const words = DICTIONARIES[lang][key];
    if (words === undefined) throw new Error(`no words for ${key} in ${lang}`);
    return words.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  };
}
