/** A cart is a record of goods id → quantity; it belongs to the visit's member, or to the session of a guest. */

import { GOODS, goodsById } from "./goods.mjs";

const MOST = 99;

/** @param {Record<string, number>} cart @param {string} id  unknown goods are ignored */
export function add(cart, id, quantity = 1) {
  if (!goodsById(id)) return;
  cart[id] = Math.min(MOST, (Object.hasOwn(cart, id) ? cart[id] : 0) + quantity);
}

/** @param {Record<string, number>} cart @param {string} id */
export function remove(cart, id) {
  delete cart[id];
}

/** Puts a guest's things into the member's cart when the guest turns out to be that member. */
export function merge(cart, guest) {
  for (const [id, quantity] of Object.entries(guest)) add(cart, id, quantity);
}

/** The cart's lines in the order of the shop, with quantities and subtotals. */
export function lines(cart) {
  return GOODS.filter(({ id }) => Object.hasOwn(cart, id)).map((goods) => ({
    goods,
    quantity: cart[goods.id],
    subtotal: goods.price * cart[goods.id],
  }));
}

/** How many things lie in the cart. */
export const size = (cart) => Object.values(cart).reduce((sum, quantity) => sum + quantity, 0);
