// The list of markets: last price, change over a day and funding, moved by the ticker and mark price streams.

import { byId, el, reconcile, setClass, setText, soon } from "./dom.js";
import { decimalsOf, padded, percent } from "./format.js";

export const PERPETUAL = "PERP";

export class Markets {
  constructor(container, onChoose) {
    this.container = container;
    this.onChoose = onChoose;
    this.rows = new Map();
    this.buttons = new Map();
    this.chosen = null;
    this.filter = "";
    this.groups = new Map();
    this.empty = el("p", { class: "empty", hidden: true }, "No market matches.");
    for (const [type, title] of [["SPOT", "Spot"], [PERPETUAL, "Perpetual"], ["OTHER", "Other"]]) {
      const list = el("ul", { "aria-label": title });
      const section = el("section", { hidden: true }, el("h3", {}, title), list);
      this.groups.set(type, { section, list });
      container.append(section);
    }
    container.append(this.empty);
    container.addEventListener("keydown", (event) => this.onKey(event));
    byId("market-filter").addEventListener("input", (event) => {
      this.filter = event.target.value.trim().toUpperCase();
      this.layOut();
    });
    this.paint = () => this.rows.forEach((row) => this.write(row));
  }

  /** Take the exchange's list; what is known of a market stays. */
  setListings(listings) {
    const before = this.rows;
    this.rows = new Map();
    for (const listing of listings) {
      const known = before.get(listing.symbol) ?? { last: null, change: null, funding: null, mark: null, index: null };
      const { tickSize } = listing.filters.price;
      const { stepSize } = listing.filters.quantity;
      this.rows.set(listing.symbol, { ...known, ...listing, tickSize, stepSize, decimals: decimalsOf(tickSize) });
    }
    this.layOut();
  }

  get(symbol) {
    return this.rows.get(symbol) ?? null;
  }

  /** The market that is shown when none was asked for: one that trades. */
  first() {
    const rows = [...this.rows.values()];
    const open = rows.filter((row) => row.orderBookState === "Open");
    return (open.find((row) => row.symbol === "SOL_USDC") ?? open[0] ?? rows[0])?.symbol ?? null;
  }

  choose(symbol) {
    this.chosen = symbol;
    this.layOut();
    // After the texts are written, which give the rows their heights.
    soon(() => scrollInto(this.container, this.buttons.get(symbol)));
  }

  onTicker(ticker) {
    const row = this.rows.get(ticker.symbol);
    if (row === undefined) return;
    Object.assign(row, { last: ticker.last, change: ticker.change, high: ticker.high, low: ticker.low, volume: ticker.volume });
    soon(this.paint);
  }

  onMarkPrice(prices) {
    const row = this.rows.get(prices.symbol);
    if (row === undefined) return;
    Object.assign(row, { mark: prices.mark, index: prices.index, funding: prices.funding, nextFundingMs: prices.nextFundingMs });
    soon(this.paint);
  }

  layOut() {
    const shown = [...this.rows.values()].filter((row) => row.symbol.toUpperCase().includes(this.filter));
    for (const [type, { section, list }] of this.groups) {
      const rows = shown.filter((row) => (this.groups.has(row.marketType) ? row.marketType : "OTHER") === type);
      section.hidden = rows.length === 0;
      reconcile(list, rows, (row) => row.symbol, (row) => this.make(row), () => {});
    }
    this.empty.hidden = shown.length > 0 || this.rows.size === 0;
    const focusable = shown.some((row) => row.symbol === this.chosen) ? this.chosen : shown[0]?.symbol;
    this.buttons = new Map([...this.container.querySelectorAll("button")].map((each) => [each.dataset.symbol, each]));
    for (const button of this.buttons.values()) {
      button.tabIndex = button.dataset.symbol === focusable ? 0 : -1;
    }
    soon(this.paint);
  }

  make(row) {
    const cells = ["pair", "last", "change", "funding"].map((name) => el("span", { class: name }));
    const button = el("button", { type: "button", "data-symbol": row.symbol, onclick: () => this.onChoose(row.symbol) });
    button.append(...cells);
    return el("li", {}, button);
  }

  write(row) {
    const button = this.buttons.get(row.symbol);
    if (button === undefined) return;
    const [pair, last, change, funding] = button.children;
    button.setAttribute("aria-current", String(row.symbol === this.chosen));
    const isOpen = row.orderBookState === "Open";
    setClass(button, isOpen ? "" : "closed");
    setText(pair, pairName(row));
    setText(last, row.last === null ? "–" : padded(row.last, row.decimals));
    setText(change, isOpen ? (row.change === null ? "–" : percent(row.change)) : stateName(row.orderBookState));
    setClass(change, isOpen ? `change ${direction(row.change)}` : "change");
    setText(funding, row.funding === null ? "" : percent(row.funding, 4));
  }

  onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const buttons = [...this.container.querySelectorAll("section:not([hidden]) button")];
    const at = buttons.indexOf(document.activeElement);
    const next = buttons[at + step];
    if (at < 0 || next === undefined) return;
    event.preventDefault();
    buttons[at].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }
}

/** Scroll a list as far as needed to show one of its elements, and nothing around the list. */
function scrollInto(container, element) {
  if (element === undefined) return;
  const [outer, inner] = [container.getBoundingClientRect(), element.getBoundingClientRect()];
  container.scrollTop += Math.max(0, inner.bottom - outer.bottom) + Math.min(0, inner.top - outer.top);
  container.scrollLeft += Math.max(0, inner.right - outer.right) + Math.min(0, inner.left - outer.left);
}

export function pairName(market) {
  return `${market.baseSymbol}/${market.quoteSymbol}`;
}

export function stateName(state) {
  return state.replace(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase();
}

export function direction(number) {
  return Number(number) > 0 ? "up" : Number(number) < 0 ? "down" : "";
}
