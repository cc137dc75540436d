// The trades as they happen, newest first.

import { el, setClass, setText } from "./dom.js";
import { clockTime, decimalsOf, padded } from "./format.js";

const ROWS = 60;

export class Tape {
  constructor(container) {
    this.head = el("div", { class: "row head", role: "row" });
    this.rows = el("div", { class: "rows", role: "rowgroup" });
    this.empty = el("p", { class: "empty" }, "Nothing was traded yet.");
    this.table = el("div", { class: "levels", role: "table", "aria-label": "Trades, newest first" }, this.head, this.rows);
    container.append(this.table, this.empty);
    this.market = null;
  }

  setMarket(market) {
    this.market = market;
    this.priceDecimals = decimalsOf(market.tickSize);
    this.sizeDecimals = decimalsOf(market.stepSize);
    const labels = [`Price (${market.quoteSymbol})`, `Size (${market.baseSymbol})`, "Time"];
    this.head.replaceChildren(...labels.map((label) => el("span", { role: "columnheader" }, label)));
  }

  show(trades) {
    if (this.market === null) return;
    this.empty.hidden = trades.length > 0;
    const count = Math.min(trades.length, ROWS);
    while (this.rows.children.length > count) this.rows.lastElementChild.remove();
    for (let index = 0; index < count; index += 1) {
      const row = this.rows.children[index] ?? this.rows.appendChild(this.row());
      const { price, quantity, isSell, ms } = trades[index];
      const [priceCell, sizeCell, timeCell] = row.children;
      setClass(priceCell, isSell ? "price down" : "price up");
      setText(priceCell, padded(price, this.priceDecimals));
      setText(sizeCell, padded(quantity, this.sizeDecimals));
      setText(timeCell, clockTime(ms));
    }
  }

  row() {
    return el("div", { class: "row", role: "row" }, ...[0, 1, 2].map(() => el("span", { role: "cell" })));
  }
}
