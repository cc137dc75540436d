// The chosen market: its book, candles and trades, from snapshots over REST and the streams after them.

import { Book } from "./book.js";
import { get, untilDone } from "./exchange.js";
import { utcMs } from "./format.js";

const CANDLES_ASKED = 400;
const CANDLES_KEPT = 1_500;
const TRADES_KEPT = 60;
const DEPTH_STREAM = "depth.200ms";

const SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800, month: 2_592_000 };

function lengthMs(interval) {
  const [, count, unit] = interval.match(/^(\d+)(\D+)$/);
  return Number(count) * SECONDS[unit] * 1_000;
}

export class MarketData {
  constructor(streams, { onBook, onCandles, onTrades, isClosed, nowMs }) {
    this.streams = streams;
    this.changed = { onBook, onCandles, onTrades };
    this.isClosed = isClosed;
    this.nowMs = nowMs;
    this.symbol = null;
    this.interval = null;
    this.book = new Book();
    this.bookNote = "Loading the order book";
    this.candles = [];
    this.candleNote = null;
    this.trades = [];
    this.stops = {};
    this.names = [];
    streams.onOpen(() => this.reload());
  }

  choose(symbol, interval) {
    const isSameMarket = symbol === this.symbol;
    if (isSameMarket && interval === this.interval) return;
    this.streams.unsubscribe(this.names);
    this.symbol = symbol;
    this.interval = interval;
    const entries = [
      [`${DEPTH_STREAM}.${symbol}`, (frame) => this.onDepth(frame)],
      [`trade.${symbol}`, (frame) => this.onTrade(frame)],
      [`kline.${interval}.${symbol}`, (frame) => this.onKline(frame)],
    ];
    this.names = entries.map(([name]) => name);
    this.streams.subscribe(entries);
    if (isSameMarket) this.loadCandles();
    else this.reload();
  }

  /** Begin anew: nothing that came before the streams were there is continued. */
  reload() {
    if (this.symbol === null) return;
    this.loadBook();
    this.loadCandles();
    this.loadTrades();
  }

  onLost() {
    this.bookNote = "The connection is lost";
    this.stops.book?.();
    this.changed.onBook();
  }

  again(name, task, onFailure) {
    this.stops[name]?.();
    this.stops[name] = untilDone(task, onFailure);
  }

  loadBook(isGap = false) {
    const { symbol } = this;
    // After a gap the update that showed it is kept already, for the snapshot to be followed by.
    if (!isGap) this.book.restart();
    this.bookNote = this.isClosed(symbol) ? "The market is closed" : "Loading the order book";
    this.changed.onBook();
    this.stops.book?.();
    if (this.isClosed(symbol)) return; // it has no book to ask for
    const failed = (error) => {
      this.bookNote = error.message;
      this.changed.onBook();
    };
    this.again("book", async (isStopped) => {
      const answer = await get("/api/v1/depth", { symbol, limit: 1000 });
      if (isStopped()) return;
      if (!this.book.snapshot(answer)) throw new Error("Waiting for a newer snapshot of the order book");
      this.bookNote = null;
      this.changed.onBook();
    }, failed);
  }

  onDepth(frame) {
    if (this.book.update(frame) === "gap") this.loadBook(true);
    else this.changed.onBook();
  }

  loadCandles() {
    const { symbol, interval } = this;
    this.candles = [];
    this.candleNote = "Loading candles";
    this.changed.onCandles();
    const failed = (error) => {
      this.candleNote = error.message;
      this.changed.onCandles();
    };
    this.again("candles", async (isStopped) => {
      const startTime = Math.max(0, Math.floor((this.nowMs() - CANDLES_ASKED * lengthMs(interval)) / 1000));
      const rows = await get("/api/v1/klines", { symbol, interval, startTime });
      if (isStopped()) return;
      const later = this.candles;
      this.candles = rows.filter((row) => row.open !== null).map((row) => candleOf(utcMs(row.start), row));
      for (const candle of later) this.put(candle);
      this.candleNote = this.candles.length ? null : "Nothing was traded yet";
      this.changed.onCandles();
    }, failed);
  }

  onKline(frame) {
    if (frame.o === null) return;
    const { o: open, h: high, l: low, c: close, v: volume } = frame;
    this.put(candleOf(utcMs(frame.t), { open, high, low, close, volume }));
    this.changed.onCandles();
  }

  put(candle) {
    const last = this.candles.at(-1);
    if (last?.ms === candle.ms) this.candles[this.candles.length - 1] = candle;
    else if (last === undefined || last.ms < candle.ms) this.candles.push(candle);
    if (this.candles.length > CANDLES_KEPT) this.candles.shift();
    if (this.candleNote === "Nothing was traded yet") this.candleNote = null;
  }

  loadTrades() {
    const { symbol } = this;
    this.trades = [];
    this.again("trades", async (isStopped) => {
      const rows = await get("/api/v1/trades", { symbol, limit: TRADES_KEPT });
      if (isStopped()) return;
      const known = new Set(this.trades.map((trade) => trade.id));
      const earlier = rows.filter((row) => !known.has(row.id)).map((row) => ({
        id: row.id, price: row.price, quantity: row.quantity, isSell: row.isBuyerMaker, ms: row.timestamp,
      }));
      this.trades = [...this.trades, ...earlier].slice(0, TRADES_KEPT);
      this.changed.onTrades();
    });
    this.changed.onTrades();
  }

  onTrade(frame) {
    if (this.trades.some((trade) => trade.id === frame.t)) return;
    this.trades.unshift({ id: frame.t, price: frame.p, quantity: frame.q, isSell: frame.m, ms: frame.T / 1000 });
    this.trades.length = Math.min(this.trades.length, TRADES_KEPT);
    this.changed.onTrades();
    this.moveCandle(Number(frame.p), frame.T / 1000);
  }

  /** Move the running candle with each trade; the candle's own message follows within a second and settles it. */
  moveCandle(price, ms) {
    const candle = this.candles.at(-1);
    if (candle === undefined || ms < candle.ms || ms >= candle.ms + lengthMs(this.interval)) return;
    candle.close = price;
    candle.high = Math.max(candle.high, price);
    candle.low = Math.min(candle.low, price);
    this.changed.onCandles();
  }
}

function candleOf(ms, { open, high, low, close, volume }) {
  return { ms, open: Number(open), high: Number(high), low: Number(low), close: Number(close), volume: Number(volume) };
}
