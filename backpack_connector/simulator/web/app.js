// Start the page: one connection, one chosen market, one chosen account, and a question a second to the simulator.

import { AccountPanel } from "./account.js";
import { CandleChart } from "./chart.js";
import { byId, el, segments, setText, soon } from "./dom.js";
import { Streams, get, untilDone } from "./exchange.js";
import { FaultPanel } from "./faults.js";
import { clockTime, compact, duration, padded, percent } from "./format.js";
import { Ladder } from "./ladder.js";
import { MarketData } from "./market.js";
import { Markets, PERPETUAL, direction, pairName, stateName } from "./markets.js";
import { Tape } from "./tape.js";

const INTERVALS = ["1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1month"];
const OVERVIEW_MS = 1_000;
const LISTINGS_MS = 15_000;

// What is shown is in the address, so that it outlives a reload and can be passed on. Keys are public.
const chosen = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
chosen.interval = INTERVALS.includes(chosen.interval) ? chosen.interval : "1m";

function remember(change) {
  Object.assign(chosen, change);
  const known = Object.entries(chosen).filter(([, value]) => value);
  history.replaceState(null, "", `#${new URLSearchParams(known)}`);
}

const STATUS = { connecting: "Connecting", live: "Live", lost: "Connection lost" };
let clockOffsetMs = 0;
let status = "connecting";
const nowMs = () => Date.now() + clockOffsetMs;

const streams = new Streams(`ws://${location.host}/`, onStatus);
const markets = new Markets(byId("market-list"), chooseMarket);
const data = new MarketData(streams, {
  onBook: () => soon(paintBook),
  onCandles: () => soon(paintChart),
  onTrades: () => soon(paintTrades),
  isClosed,
  nowMs,
});
const ladder = new Ladder(byId("ladder"), byId("depth"), byId("grouping"), () => soon(paintBook));
const chart = new CandleChart(byId("chart"), byId("chart-legend"));
const tape = new Tape(byId("tape"));
const account = new AccountPanel(markets, (key) => {
  remember({ account: key });
  askOverview();
});
const faults = new FaultPanel(() => data.symbol, () => askOverview());
const intervals = segments(
  byId("intervals"),
  INTERVALS.map((value) => ({ value, label: value === "1month" ? "1M" : value })),
  "radio",
  (interval) => {
    remember({ interval });
    if (data.symbol !== null) data.choose(data.symbol, interval);
  },
);
intervals.choose(chosen.interval, true);

function onStatus(next) {
  status = next;
  const pill = byId("status");
  pill.dataset.status = next;
  setText(pill, STATUS[next]);
  document.body.classList.toggle("lost", next === "lost");
  if (next === "lost") data.onLost();
}

function chooseMarket(symbol) {
  const market = markets.get(symbol);
  if (market === null) return;
  remember({ market: symbol });
  markets.choose(symbol);
  ladder.setMarket(market);
  chart.setMarket(market.tickSize);
  tape.setMarket(market);
  data.choose(symbol, chosen.interval);
  paintTicker();
}

function isClosed(symbol) {
  return markets.get(symbol)?.orderBookState === "Closed";
}

function paintBook() {
  const own = new Set(account.ordersIn(data.symbol).map((order) => Number(order.price)));
  ladder.show(data.book, data.bookNote, own);
}

function paintChart() {
  const orders = account.ordersIn(data.symbol).map((order) => ({ price: Number(order.price), isBuy: order.side === "Bid" }));
  chart.show(data.candles, orders);
  const note = byId("chart-empty");
  note.hidden = data.candleNote === null;
  setText(note, data.candleNote ?? "");
}

function paintTrades() {
  tape.show(data.trades);
}

function paintTicker() {
  const market = markets.get(data.symbol);
  if (market === null) return;
  setText(byId("market-name"), pairName(market));
  setText(byId("market-type"), market.marketType === PERPETUAL ? "perpetual" : "spot");
  const state = byId("market-state");
  state.hidden = market.orderBookState === "Open";
  setText(state, stateName(market.orderBookState));
  const newest = data.trades[0]?.price ?? market.last;
  const price = newest === null ? "–" : padded(newest, market.decimals);
  const last = byId("last-price");
  setText(last, price);
  last.className = `last ${direction(market.change)}`;
  document.title = newest === null ? "Backpack simulator" : `${price} ${pairName(market)} · Backpack simulator`;
  const text = (value) => (value === null || value === undefined ? "–" : padded(value, market.decimals));
  const facts = [
    ["24 h change", market.change === null ? "–" : percent(market.change), direction(market.change)],
    ["24 h high", text(market.high), ""],
    ["24 h low", text(market.low), ""],
    [`24 h volume (${market.quoteSymbol})`, market.volume === undefined ? "–" : compact(market.volume), ""],
  ];
  if (market.marketType === PERPETUAL) {
    const fraction = (value) => (value === null ? "–" : Number(value).toFixed(market.decimals));
    facts.push(
      ["Mark", market.mark === null ? "–" : padded(fraction(market.mark), market.decimals), ""],
      ["Index", market.index === null ? "–" : padded(fraction(market.index), market.decimals), ""],
      ["Funding", market.funding === null ? "–" : percent(market.funding, 4), direction(market.funding)],
      ["Next funding in", market.nextFundingMs ? duration(market.nextFundingMs - nowMs()) : "–", ""],
    );
  }
  const list = byId("market-facts");
  while (list.children.length > facts.length) list.lastElementChild.remove();
  facts.forEach(([name, value, kind], index) => {
    const fact = list.children[index] ?? list.appendChild(el("div", {}, el("dt"), el("dd")));
    setText(fact.firstElementChild, name);
    setText(fact.lastElementChild, value);
    fact.lastElementChild.className = kind;
  });
}

function onTicker({ s: symbol, c: last, o: open, h: high, l: low, V: volume }) {
  markets.onTicker({ symbol, last, change: Number(last) / Number(open) - 1, high, low, volume });
  if (symbol === data.symbol) soon(paintTicker);
}

function onMarkPrice({ s: symbol, p: mark, i: index, f: funding, n: nextFundingMs }) {
  markets.onMarkPrice({ symbol, mark, index, funding, nextFundingMs });
  if (symbol === data.symbol) soon(paintTicker);
}

function setListings(listings) {
  const wasClosed = isClosed(data.symbol);
  markets.setListings(listings);
  if (data.symbol !== null && isClosed(data.symbol) !== wasClosed) data.loadBook();
  const entries = listings.flatMap(({ symbol, marketType }) => [
    [`ticker.${symbol}`, onTicker],
    ...(marketType === PERPETUAL ? [[`markPrice.${symbol}`, onMarkPrice]] : []),
  ]);
  streams.subscribe(entries.filter(([name]) => !streams.handlers.has(name)));
  const wanted = markets.get(chosen.market) === null ? markets.first() : chosen.market;
  if (wanted !== null && wanted !== data.symbol) chooseMarket(wanted);
  paintTicker();
}

/** Fill in what the streams tell only with their first message. */
function setTickers(tickers) {
  for (const row of tickers) {
    markets.onTicker({
      symbol: row.symbol, last: row.lastPrice, change: row.priceChangePercent,
      high: row.high, low: row.low, volume: row.quoteVolume,
    });
  }
  paintTicker();
}

async function loadListings() {
  try {
    setListings(await get("/api/v1/markets"));
    showNotice(null);
  } catch (error) {
    if (status === "live") showNotice(`The list of markets cannot be loaded: ${error.message}`);
  }
}

function showNotice(text) {
  const notice = byId("notice");
  notice.hidden = text === null;
  setText(notice, text ?? "");
}

let activeFaults = 0;
let asked = 0;

async function askOverview() {
  asked += 1;
  const number = asked;
  let overview;
  try {
    overview = await get("/simulator/overview", chosen.account ? { account: chosen.account } : {});
  } catch {
    return;
  }
  if (number !== asked) return;
  clockOffsetMs = overview.timeUs / 1000 - Date.now();
  setText(byId("exchange-time"), `${clockTime(overview.timeUs / 1000)} UTC`);
  setText(byId("seed"), String(overview.seed));
  setText(byId("connections"), String(overview.connections));
  if (!chosen.account && overview.accounts.length > 0) {
    remember({ account: overview.accounts[0].account });
    askOverview();
  }
  account.update(overview, chosen.account ?? null);
  showFaults(overview);
  soon(paintBook);
  soon(paintChart);
  soon(paintTicker);
}

function showFaults(overview) {
  const count = faults.update(overview.faults);
  faults.offer([...markets.rows.keys()], overview.accounts.map((row) => row.account));
  const link = byId("fault-count");
  link.hidden = count === 0;
  setText(link, count === 1 ? "1 fault" : `${count} faults`);
  if (count !== activeFaults) {
    // A fault may have hidden or closed a market, or swallowed a subscription; once more makes no difference.
    streams.send("SUBSCRIBE", [...streams.handlers.keys()]);
    loadListings();
  }
  activeFaults = count;
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) return;
  event.preventDefault();
  byId("market-filter").focus();
});

streams.onOpen(loadListings);
untilDone(async () => setTickers(await get("/api/v1/tickers")));
setInterval(loadListings, LISTINGS_MS);
setInterval(askOverview, OVERVIEW_MS);
askOverview();
