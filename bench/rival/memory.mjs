/**
 * Where the rival keeps what it must remember: a map for each kind of thing, the least that such a store can cost.
 *
 * The adapter that comes with it for development is not used, because it holds at most 1,000 things and walks through all
 * tokens of a grant whenever it writes one: measured for minutes with one customer, each request would cost more than the
 * last. What has expired stays here, since no run lasts long enough to mind; the rival itself looks at the times.
 */

export class Memory {
  /** Ids of sessions by their `uid`. */
  #uids = new Map();
  #kept = new Map();

  async upsert(id, payload) {
    this.#kept.set(id, payload);
    if (payload.uid) this.#uids.set(payload.uid, id);
  }

  async find(id) {
    return this.#kept.get(id);
  }

  async findByUid(uid) {
    return this.#kept.get(this.#uids.get(uid));
  }

  async consume(id) {
    this.#kept.get(id).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    this.#kept.delete(id);
  }

  /** Only after a code was presented twice. */
  async revokeByGrantId(grant) {
    for (const [id, payload] of this.#kept) {
      if (payload.grantId === grant) this.#kept.delete(id);
    }
  }
}
