/** What the shop sells: ids, prices in yen with tax, and pictures drawn by hand as SVG. Names are in `i18n/`. */

import { raw } from "./html.mjs";

const picture = (ground, drawing) =>
  raw(`<svg viewBox="0 0 240 180" aria-hidden="true" focusable="false"><rect width="240" height="180" fill="${ground}"/>${drawing}</svg>`);

const star = (x, y, fill) =>
  `<g transform="translate(${x} ${y})" fill="${fill}"><circle r="9"/>${[0, 45, 90, 135, 180, 225, 270, 315]
    .map((turn) => `<circle r="3.4" cx="9.5" transform="rotate(${turn})"/>`)
    .join("")}</g>`;

/** @type {{id: string, price: number, picture: object}[]} */
export const GOODS = [
  {
    id: "wakaba",
    price: 1620,
    picture: picture(
      "#e6ead6",
      `<circle cx="186" cy="46" r="24" fill="#f5f1e2"/>
      <path d="M76 84h88l-9 52a12 12 0 0 1-12 10H97a12 12 0 0 1-12-10z" fill="#fbf8ef"/>
      <path d="M76 84h88l-2 12H78z" fill="#e9e2cf"/>
      <ellipse cx="120" cy="84" rx="44" ry="11" fill="#f6f1e1"/><ellipse cx="120" cy="85" rx="37" ry="8" fill="#a9b661"/>
      <path d="M112 82c6-6 14-6 20-1-7 4-14 5-20 1z" fill="#6c8440"/>
      <path d="M60 150h120" stroke="#b9bd9a" stroke-width="5" stroke-linecap="round"/>
      <path d="M108 62c-8-9 8-14 0-26M128 60c-8-9 8-14 0-26" fill="none" stroke="#c9cfae" stroke-width="4" stroke-linecap="round"/>`,
    ),
  },
  {
    id: "hojicha",
    price: 1080,
    picture: picture(
      "#f0e2d0",
      `<rect x="82" y="52" width="76" height="100" rx="5" fill="#8c5a37"/><rect x="82" y="52" width="76" height="24" rx="5" fill="#6f4429"/>
      <rect x="82" y="72" width="76" height="4" fill="#c9a06f"/>
      <rect x="98" y="90" width="44" height="50" fill="#f7ecd9"/>
      <path d="M109 104h22M109 114h22M109 124h14" stroke="#8c5a37" stroke-width="3" stroke-linecap="round"/>
      <path d="M38 150c18-10 34-10 48 0zM150 152c14-12 34-12 52 0z" fill="#b07f52"/>
      <path d="M44 146l22-4M166 147l26-5M58 150l-8-9" stroke="#7a4d2f" stroke-width="3" stroke-linecap="round"/>`,
    ),
  },
  {
    id: "matcha",
    price: 2160,
    picture: picture(
      "#dde5d3",
      `<path d="M62 78h98c0 42-18 66-38 68h-22c-20-2-38-26-38-68z" fill="#3f4a44"/>
      <path d="M62 78h98c0 8-1 16-3 22-20 8-72 8-92 0-2-6-3-14-3-22z" fill="#56635b"/>
      <ellipse cx="111" cy="78" rx="49" ry="13" fill="#4a554e"/><ellipse cx="111" cy="79" rx="42" ry="10" fill="#8fa653"/>
      <ellipse cx="104" cy="78" rx="20" ry="4" fill="#a7bb6c"/>
      <path d="M178 60h18v34h-18z" fill="#d9bd86"/><path d="M178 94h18l8 48h-34z" fill="#ecd9ad"/>
      <path d="M180 96l-6 46M187 96v46M194 96l6 46" stroke="#c9a96d" stroke-width="2"/><path d="M177 92h20v5h-20z" fill="#4f6b3a"/>
      <path d="M96 146h30l3 6H93z" fill="#353e39"/>`,
    ),
  },
  {
    id: "yokan",
    price: 1350,
    picture: picture(
      "#eadfdf",
      `<ellipse cx="120" cy="136" rx="92" ry="18" fill="#f8f3ec"/><ellipse cx="120" cy="133" rx="92" ry="18" fill="#fffdf7"/>
      <path d="M58 92l24-16h92l-20 16z" fill="#7a3d42"/><path d="M58 92h96v38H58z" fill="#5a272d"/><path d="M154 92l20-16v38l-20 16z" fill="#471d23"/>
      <path d="M66 98h26M70 104h12" stroke="#8f5257" stroke-width="3" stroke-linecap="round"/>
      <path d="M88 92v38M121 92v38" stroke="#471d23" stroke-width="2"/>
      <path d="M184 128l22-34" stroke="#b08a5a" stroke-width="5" stroke-linecap="round"/>`,
    ),
  },
  {
    id: "dorayaki",
    price: 1480,
    picture: picture(
      "#f5e9cf",
      `<path d="M30 150h180" stroke="#dcc99f" stroke-width="5" stroke-linecap="round"/>
      <path d="M60 132c0-15 27-23 60-23s60 8 60 23-27 16-60 16-60-1-60-16z" fill="#c98f4b"/>
      <path d="M64 118c12 11 100 11 112 0l3 10c-14 11-104 11-118 0z" fill="#4f2a26"/>
      <path d="M58 112c0-18 28-29 62-29s62 11 62 29c-6 12-118 12-124 0z" fill="#b8763a"/>
      <path d="M66 107c0-14 25-21 54-21s54 7 54 21c-8 5-100 5-108 0z" fill="#a5632c"/>
      <path d="M66 80c0-17 26-27 57-27s57 10 57 27c-6 11-108 11-114 0z" fill="#c98f4b"/>
      <path d="M74 75c0-13 22-19 49-19s49 6 49 19c-8 5-90 5-98 0z" fill="#b8763a"/>
      <circle cx="123" cy="68" r="9" fill="none" stroke="#8a4f22" stroke-width="3"/><path d="M117 68h12M123 62v12" stroke="#8a4f22" stroke-width="2.4"/>`,
    ),
  },
  {
    id: "konpeito",
    price: 780,
    picture: picture(
      "#e0e6ea",
      `<path d="M84 62h72v78a14 14 0 0 1-14 14H98a14 14 0 0 1-14-14z" fill="#f6fafb" opacity=".85"/>
      <rect x="80" y="44" width="80" height="20" rx="5" fill="#b5523f"/><rect x="80" y="58" width="80" height="6" fill="#96412f"/>
      ${star(103, 138, "#e8b7b0")}${star(127, 139, "#cfd9a8")}${star(141, 121, "#f1dc9d")}${star(115, 118, "#fffdf6")}${star(97, 113, "#b9cfdc")}${star(128, 99, "#e8b7b0")}${star(104, 92, "#f1dc9d")}${star(186, 146, "#cfd9a8")}${star(56, 148, "#fffdf6")}
      <path d="M92 74v58" stroke="#fff" stroke-width="4" stroke-linecap="round" opacity=".8"/>`,
    ),
  },
];

/** @param {string} id */
export const goodsById = (id) => GOODS.find((goods) => goods.id === id);
