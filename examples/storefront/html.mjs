/**
 * HTML as tagged templates: every value that goes in is escaped, except what came out of `html` itself.
 */

const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** Text that is already HTML. Only `html` and `raw` make it. */
class Html {
  constructor(text) {
    this.text = text;
  }

  toString() {
    return this.text;
  }
}

/**
 * The text with everything that means something to HTML replaced, fit for content and for quoted attributes.
 *
 * @param {unknown} text
 * @returns {string}
 */
export function escape(text) {
  return String(text).replace(/[&<>"']/g, (character) => ESCAPES[character]);
}

/**
 * The tag: html`<p>${name}</p>`. Lists are joined; `null`, `undefined` and `false` leave nothing.
 *
 * @returns {Html}
 */
export function html(parts, ...values) {
  return new Html(String.raw({ raw: parts }, ...values.map(render)));
}

/**
 * Text of our own source that is HTML already, such as a picture. Never give it what a visitor or a service said.
 *
 * @param {string} text
 * @returns {Html}
 */
export function raw(text) {
  return new Html(text);
}

function render(value) {
  if (value === null || value === undefined || value === false) return "";
  if (Array.isArray(value)) return value.map(render).join("");
  return value instanceof Html ? value.text : escape(value);
}
