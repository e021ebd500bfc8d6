/**
 * The shop's members and their carts. A real shop has a database here; this one is a JSON file, rewritten whole.
 */

import { randomInt } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";

/** The ranks of the members' club, lowest first. */
export const RANKS = ["regular", "silver", "gold"];

/**
 * @typedef {object} Member
 * @property {string} id  the shop's own number, such as `M000123`
 * @property {string} name
 * @property {string} rank
 * @property {string} registeredAt  ISO 8601
 * @property {Record<string, number>} cart  goods id → quantity
 * @property {{sub: string, name: string, picture: string | null, friend: boolean, since: string} | null} line
 *   the LINE login that is linked, as its claims were at the last login
 */

export class Store {
  #file;
  #members = new Map();

  /** @param {string | undefined} file  where members persist; without it they live as long as the process */
  constructor(file) {
    this.#file = file;
    for (const member of read(file)) this.#members.set(member.id, member);
  }

  /** @returns {Member | undefined} */
  member(id) {
    return this.#members.get(id);
  }

  /** @returns {Member[]} in order of registration */
  members() {
    return [...this.#members.values()];
  }

  /**
   * A new member, or one whose record was lost while Enishi still knows the link (`id` given).
   *
   * @param {string} name
   * @param {string} [id]
   * @returns {Member}
   */
  register(name, id = this.#freeId()) {
    const member = { id, name, rank: RANKS[0], registeredAt: new Date().toISOString(), cart: {}, line: null };
    this.#members.set(id, member);
    this.save();
    return member;
  }

  /** @param {Member} member */
  remove(member) {
    this.#members.delete(member.id);
    this.save();
  }

  /**
   * Notes the LINE login of a member. One LINE login belongs to one member, so any other that had it loses it.
   *
   * @param {Member} member
   * @param {NonNullable<Member["line"]>} line
   */
  link(member, line) {
    for (const other of this.#members.values()) {
      if (other !== member && other.line?.sub === line.sub) other.line = null;
    }
    member.line = line;
    this.save();
  }

  /** @param {Member} member */
  unlink(member) {
    member.line = null;
    this.save();
  }

  /** Writes everything; a crash in between leaves the old file. */
  save() {
    if (!this.#file) return;
    writeFileSync(`${this.#file}.new`, JSON.stringify({ members: this.members() }, null, 2), { mode: 0o600 });
    renameSync(`${this.#file}.new`, this.#file);
  }

  /** Random, not counted on: numbers that a lost file gave out may still be linked at Enishi. */
  #freeId() {
    for (;;) {
      const id = `M${String(randomInt(1, 1_000_000)).padStart(6, "0")}`;
      if (!this.#members.has(id)) return id;
    }
  }
}

function read(file) {
  if (!file) return [];
  try {
    return JSON.parse(readFileSync(file, "utf8")).members;
  } catch (error) {
    if (error.code === "ENOENT") return [];
    throw new Error(`${file}: ${error.message}`);
  }
}
