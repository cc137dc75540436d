// The order book as a ladder: asks above, bids below, with bars for the sum of what rests up to each level.

import { colours, el, fitCanvas, setClass, setText } from "./dom.js";
import { decimalsOf, padded } from "./format.js";

const ROW_HEIGHT = 18;
const HEAD_HEIGHT = 52;
const FEWEST_LEVELS = 5;
const MOST_LEVELS = 40;
const GROUPS = [1, 10, 100];
const PICTURED_LEVELS = 60;

export class Ladder {
  constructor(container, canvas, grouping, onChange) {
    this.container = container;
    this.canvas = canvas;
    this.grouping = grouping;
    this.group = 1;
    this.market = null;
    this.asks = el("div", { class: "asks", role: "rowgroup", "aria-label": "Asks" });
    this.bids = el("div", { class: "bids", role: "rowgroup", "aria-label": "Bids" });
    this.middle = el("span", { role: "cell" });
    this.head = el("div", { class: "row head", role: "row" });
    this.table = el("div", { class: "levels", role: "table", "aria-label": "Order book" });
    const middle = el("div", { class: "middle", role: "row" }, this.middle);
    this.table.append(this.head, this.asks, middle, this.bids);
    this.note = el("p", { class: "empty", hidden: true });
    container.append(this.table, this.note);
    grouping.addEventListener("change", () => {
      this.group = Number(grouping.value);
      onChange();
    });
    new ResizeObserver(onChange).observe(container);
  }

  setMarket(market) {
    this.market = market;
    this.tickDecimals = decimalsOf(market.tickSize);
    this.stepDecimals = decimalsOf(market.stepSize);
    this.group = 1;
    const steps = GROUPS.map((group) => ({ group, text: this.priceText(group * Number(market.tickSize)) }));
    this.grouping.replaceChildren(...steps.map(({ group, text }) => el("option", { value: group }, text)));
    const labels = [`Price (${market.quoteSymbol})`, `Size (${market.baseSymbol})`, "Total"];
    this.head.replaceChildren(...labels.map((label) => el("span", { role: "columnheader" }, label)));
  }

  priceText(price) {
    return padded(price.toFixed(this.tickDecimals), this.tickDecimals);
  }

  /** Show a book; `note` stands in its place when there is none, and `own` are the prices of the account's orders. */
  show(book, note, own) {
    if (this.market === null) return;
    const isShown = note === null;
    this.table.classList.toggle("stale", !isShown);
    this.note.hidden = isShown;
    setText(this.note, note ?? "");
    const count = this.levelCount();
    const asks = this.levels(book.best("asks"), Math.ceil, count);
    const bids = this.levels(book.best("bids"), Math.floor, count);
    const most = Math.max(asks.at(-1)?.sum ?? 0, bids.at(-1)?.sum ?? 0) || 1;
    this.fill(this.asks, asks, count, most, own, true);
    this.fill(this.bids, bids, count, most, own, false);
    this.showMiddle(asks[0], bids[0]);
    this.draw(book);
  }

  levelCount() {
    const height = this.container.clientHeight - HEAD_HEIGHT;
    return Math.min(MOST_LEVELS, Math.max(FEWEST_LEVELS, Math.floor(height / 2 / ROW_HEIGHT)));
  }

  /** Sum levels up to the chosen step; with a step of one tick the quantities stay the exchange's text. */
  levels(best, round, count) {
    const tick = Number(this.market.tickSize);
    const rows = [];
    let sum = 0;
    for (const [price, quantity] of best) {
      const bucket = round(Math.round(price / tick) / this.group);
      const last = rows.at(-1);
      if (last?.bucket !== bucket && rows.length === count) break;
      sum += Number(quantity);
      if (last?.bucket === bucket) {
        last.quantity += Number(quantity);
        last.text = last.quantity.toFixed(this.stepDecimals);
        last.prices.push(price);
        last.sum = sum;
      } else {
        const value = this.group === 1 ? price : bucket * this.group * tick;
        rows.push({ bucket, price: value, prices: [price], quantity: Number(quantity), text: quantity, sum });
      }
    }
    return rows;
  }

  fill(container, levels, count, most, own, isReversed) {
    while (container.children.length < count) container.append(this.row());
    while (container.children.length > count) container.lastElementChild.remove();
    for (let index = 0; index < count; index += 1) {
      const level = levels[isReversed ? count - 1 - index : index];
      const row = container.children[index];
      const [price, quantity, sum] = row.children;
      setText(price, level ? this.priceText(level.price) : "");
      setText(quantity, level ? padded(level.text, this.stepDecimals) : "");
      setText(sum, level ? padded(level.sum.toFixed(this.stepDecimals), this.stepDecimals) : "");
      const isOwn = level !== undefined && level.prices.some((each) => own.has(each));
      setClass(row, isOwn ? "row own" : "row");
      row.title = isOwn ? "The account has an order here" : "";
      row.style.setProperty("--depth", level ? `${((100 * level.sum) / most).toFixed(1)}%` : "0%");
    }
  }

  row() {
    const cells = ["price", "size", "sum"].map((name) => el("span", { class: name, role: "cell" }));
    return el("div", { class: "row", role: "row" }, ...cells);
  }

  showMiddle(ask, bid) {
    if (!ask || !bid) {
      setText(this.middle, ask || bid ? "One side is empty" : "The book is empty");
      return;
    }
    const spread = ask.price - bid.price;
    const bps = (10_000 * spread) / ((ask.price + bid.price) / 2);
    setText(this.middle, `Spread ${this.priceText(spread)}  ·  ${bps.toFixed(1)} bps`);
  }

  draw(book) {
    const { context, width, height } = fitCanvas(this.canvas);
    const sides = [sums(book.best("bids")), sums(book.best("asks"))];
    const [bids, asks] = sides;
    if (!bids.length || !asks.length) return;
    const middle = (bids[0][0] + asks[0][0]) / 2;
    const reach = Math.max(middle - bids.at(-1)[0], asks.at(-1)[0] - middle) || 1;
    const most = Math.max(bids.at(-1)[1], asks.at(-1)[1]);
    const x = (price) => width / 2 + ((price - middle) / reach) * (width / 2);
    const y = (sum) => height - (sum / most) * (height - 18);
    const colour = colours();
    for (const [rows, line, soft] of [[bids, colour.up, colour["up-soft"]], [asks, colour.down, colour["down-soft"]]]) {
      const edge = rows === bids ? 0 : width;
      const path = new Path2D();
      path.moveTo(x(rows[0][0]), height);
      let before = height;
      for (const [price, sum] of rows) {
        path.lineTo(x(price), before);
        before = y(sum);
        path.lineTo(x(price), before);
      }
      path.lineTo(edge, before);
      context.strokeStyle = line;
      context.lineWidth = 1.5;
      context.stroke(path);
      path.lineTo(edge, height);
      context.fillStyle = soft;
      context.fill(path);
    }
    context.fillStyle = colour.muted;
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "top";
    context.textAlign = "center";
    context.fillText(this.priceText(middle), width / 2, 4);
    context.textAlign = "left";
    context.fillText(this.priceText(middle - reach), 6, 4);
    context.textAlign = "right";
    context.fillText(this.priceText(middle + reach), width - 6, 4);
  }
}

function sums(levels) {
  let sum = 0;
  return levels.slice(0, PICTURED_LEVELS).map(([price, quantity]) => [price, (sum += Number(quantity))]);
}
