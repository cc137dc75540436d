// One order book, kept in sequence from snapshot and updates. The rules are those of protocol/depth.py:
// nothing is applied before a snapshot, what it contains is dropped, and after a gap everything starts again.

const MAX_BUFFERED = 5_000;

export class Book {
  constructor() {
    this.restart();
  }

  restart() {
    this.bids = new Map();
    this.asks = new Map();
    this.lastId = null;
    this.followsSnapshot = false;
    this.buffer = [];
  }

  get isSynchronized() {
    return this.lastId !== null;
  }

  /** Take an update and say what became of it: "apply", "buffer", "drop" or "gap"; after a gap a snapshot is needed. */
  update(frame) {
    if (this.lastId === null) {
      this.keep(frame);
      return "buffer";
    }
    if (frame.u <= this.lastId) return "drop";
    if (this.continues(frame)) {
      this.apply(frame);
      return "apply";
    }
    this.restart();
    this.keep(frame);
    return "gap";
  }

  /** Take the answer of GET /depth, and say whether it could be used; otherwise a newer one is needed. */
  snapshot(answer) {
    const id = Number(answer.lastUpdateId);
    if (this.lastId !== null && id < this.lastId) return false;
    const waiting = this.buffer;
    this.bids = levelsOf(answer.bids);
    this.asks = levelsOf(answer.asks);
    this.lastId = id;
    this.followsSnapshot = true;
    for (const frame of waiting) {
      if (frame.u <= this.lastId) continue;
      if (!this.continues(frame)) {
        this.restart();
        this.buffer = waiting;
        return false;
      }
      this.apply(frame);
    }
    this.buffer = [];
    return true;
  }

  /** The first update after a snapshot may begin inside it; later ones may not. */
  continues(frame) {
    return frame.U === this.lastId + 1 || (this.followsSnapshot && frame.U <= this.lastId);
  }

  apply(frame) {
    change(this.bids, frame.b);
    change(this.asks, frame.a);
    this.lastId = frame.u;
    this.followsSnapshot = false;
  }

  keep(frame) {
    this.buffer.push(frame);
    if (this.buffer.length > MAX_BUFFERED) this.buffer.shift();
  }

  /** Levels from the best on, as [price number, quantity text]. */
  best(side) {
    const rows = [...(side === "bids" ? this.bids : this.asks)];
    return rows.sort(side === "bids" ? (a, b) => b[0] - a[0] : (a, b) => a[0] - b[0]);
  }
}

function levelsOf(rows) {
  return new Map(rows.map(([price, quantity]) => [Number(price), quantity]));
}

// Prices are told apart as numbers: REST writes 150 where the stream writes 150.00.
function change(levels, rows) {
  for (const [price, quantity] of rows) {
    if (Number(quantity) === 0) levels.delete(Number(price));
    else levels.set(Number(price), quantity);
  }
}
