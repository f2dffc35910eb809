// Who sends nothing any more, by the packets that come. No I/O.

/** A picture that stands still has a frame a second, and a browser that is mute sends silence. */
export const SILENT_MS = 4000;

/** Looks at the packets of tracks. A source that ends tells browsers nothing: its packets stay away. */
export class Activity {
  #seen = new Map();

  /** Take in how many packets of which track have come by now; the tracks of which none come any more. */
  look(now, packets) {
    const silent = new Set();
    for (const id of this.#seen.keys()) if (!packets.has(id)) this.#seen.delete(id);
    for (const [id, count] of packets) {
      const before = this.#seen.get(id);
      if (!before || before.count !== count) this.#seen.set(id, { count, since: now });
      else if (count > 0 && now - before.since >= SILENT_MS) silent.add(id);
    }
    return silent;
  }
}
