// What an account has and does, as the simulator itself tells it once a second.

import { drawCurve } from "./chart.js";
import { byId, el, segments, setText, soon, table } from "./dom.js";
import { dayAndTime, gain, padded, rounded, shortKey, side, signed } from "./format.js";

const EMPTY = {
  none: "No account yet. One opens with its first signed request; the key pair that the simulator printed is ready for use.",
  gone: "This account has not been opened yet; its first signed request opens it.",
};

export class AccountPanel {
  constructor(markets, onChoose) {
    this.markets = markets;
    this.account = null;
    this.wanted = null;
    this.shown = "";
    this.tab = "openOrders";
    this.choice = byId("account-choice");
    this.panel = byId("account-panel");
    this.facts = byId("account-facts");
    this.canvas = el("canvas", { role: "img", "aria-label": "Equity over time" });
    this.curve = el("div", { class: "curve" }, this.canvas);
    this.choice.addEventListener("change", () => onChoose(this.choice.value));
    const tabs = segments(byId("account-tabs"), TABS.map(({ key, label }) => ({ value: key, label })), "tab", (key) => {
      this.tab = key;
      this.shown = "";
      this.render();
    });
    tabs.choose(this.tab, true);
    new ResizeObserver(() => soon(() => this.drawEquity())).observe(this.panel);
    this.renderChoice([]);
  }

  /** Prices of the account's resting orders in a market. */
  ordersIn(symbol) {
    const orders = this.account?.openOrders ?? [];
    return orders.filter((order) => order.symbol === symbol && order.price !== null);
  }

  update(overview, wanted) {
    this.account = overview.account;
    this.wanted = wanted;
    this.renderChoice(overview.accounts);
    this.render();
  }

  renderChoice(accounts) {
    const keys = accounts.map((row) => row.account);
    if (this.wanted && !keys.includes(this.wanted)) keys.push(this.wanted);
    const state = `${keys.join()} ${this.wanted}`;
    if (state === this.choiceState) return;
    this.choiceState = state;
    const options = keys.map((key) => el("option", { value: key, title: key, selected: key === this.wanted }, shortKey(key)));
    this.choice.replaceChildren(...(options.length ? options : [el("option", { value: "" }, "none")]));
    this.choice.disabled = options.length === 0;
  }

  render() {
    const { account } = this;
    this.renderFacts();
    const tab = TABS.find(({ key }) => key === this.tab);
    const rows = account === null ? null : tab.rows(account);
    const state = JSON.stringify([this.tab, this.wanted, this.markets.rows.size, rows]);
    if (state === this.shown) return;
    this.shown = state;
    if (account === null) this.panel.replaceChildren(el("p", { class: "empty" }, this.wanted ? EMPTY.gone : EMPTY.none));
    else if (tab.key === "equity") this.showEquity(rows);
    else this.panel.replaceChildren(table(tab.columns((symbol) => this.markets.get(symbol)), rows, tab.empty));
  }

  renderFacts() {
    const { account } = this;
    const facts = account === null ? [] : [
      ["Worth", `${rounded(account.worth)} USDC`, ""],
      ["Unrealised", signed(account.pnlUnrealized), gain(account.pnlUnrealized)],
      ["Available margin", rounded(account.margin.available), ""],
    ];
    while (this.facts.children.length > facts.length) this.facts.lastElementChild.remove();
    facts.forEach(([name, value, kind], index) => {
      const fact = this.facts.children[index] ?? this.facts.appendChild(el("div", {}, el("dt"), el("dd")));
      setText(fact.firstElementChild, name);
      setText(fact.lastElementChild, value);
      fact.lastElementChild.className = kind;
    });
  }

  showEquity(points) {
    if (points.length < 2) {
      this.panel.replaceChildren(el("p", { class: "empty" }, "The curve begins with the second value; there is one every five seconds."));
      return;
    }
    if (this.curve.parentElement !== this.panel) this.panel.replaceChildren(this.curve);
    const first = Number(points[0][1]);
    const change = Number(points.at(-1)[1]) - first;
    this.canvas.setAttribute("aria-label", `Equity over time, ${signed(change)} USDC since the first value`);
    soon(() => this.drawEquity());
  }

  drawEquity() {
    if (this.curve.isConnected && this.account) drawCurve(this.canvas, this.account.equity, (value) => rounded(value));
  }
}

const time = { label: "Time", cell: (row) => dayAndTime((row.createdUs ?? row.timestampUs) / 1000), kind: "time" };
const market = { label: "Market", cell: (row) => row.symbol };
const sideColumn = { label: "Side", cell: (row) => el("span", { class: row.side === "Bid" ? "up" : "down" }, side(row.side)) };
const kind = { label: "Type", cell: (row) => typeText(row) };
const executed = { label: "Filled", cell: (row) => row.executedQuantity, kind: "number" };

function typeText(order) {
  const extras = [order.postOnly ? "post only" : null, order.timeInForce === "GTC" ? null : order.timeInForce];
  return [order.orderType, ...extras].filter(Boolean).join(", ");
}

function orderColumns(find) {
  const price = (row) => (row.price === null ? (row.orderType === "Market" ? "market" : "–") : priceText(row, row.price, find));
  const quantity = (row) => row.quantity && row.quantity !== "0" ? row.quantity : (row.triggerQuantity ?? "–");
  return [
    time,
    market,
    sideColumn,
    kind,
    { label: "Price", cell: price, kind: "number" },
    { label: "Quantity", cell: quantity, kind: "number" },
    executed,
    { label: "Trigger", cell: (row) => row.triggerPrice ?? "–", kind: "number" },
    { label: "Client id", cell: (row) => String(row.clientId ?? "–"), kind: "number" },
  ];
}

function priceText(row, price, find) {
  const known = find(row.symbol);
  return known === null ? price : padded(price, known.decimals);
}

const TABS = [
  {
    key: "openOrders", label: "Open orders", empty: "No open orders.",
    rows: (account) => account.openOrders, columns: orderColumns,
  },
  {
    key: "positions", label: "Positions", empty: "No positions.",
    rows: (account) => account.positions,
    columns: (find) => [
      market,
      { label: "Quantity", cell: (row) => el("span", { class: Number(row.netQuantity) < 0 ? "down" : "up" }, row.netQuantity), kind: "number" },
      { label: "Entry", cell: (row) => rounded(row.entryPrice, find(row.symbol)?.decimals ?? 2), kind: "number" },
      { label: "Mark", cell: (row) => rounded(row.markPrice, find(row.symbol)?.decimals ?? 2), kind: "number" },
      { label: "Liquidation", cell: (row) => (row.estLiquidationPrice === "0" ? "–" : row.estLiquidationPrice), kind: "number" },
      { label: "Value", cell: (row) => rounded(row.netExposureNotional), kind: "number" },
      { label: "Unrealised", cell: (row) => money(row.pnlUnrealized), kind: "number" },
      { label: "Realised", cell: (row) => money(row.pnlRealized), kind: "number" },
      { label: "Funding", cell: (row) => money(row.cumulativeFundingPayment), kind: "number" },
    ],
  },
  {
    key: "balances", label: "Balances", empty: "No balances.",
    rows: (account) => account.balances,
    columns: () => [
      { label: "Asset", cell: (row) => row.asset },
      { label: "Available", cell: (row) => row.available, kind: "number" },
      { label: "In orders", cell: (row) => row.locked, kind: "number" },
      { label: "Lent", cell: (row) => row.lent, kind: "number" },
      { label: "Borrowed", cell: (row) => row.borrowed, kind: "number" },
      { label: "Value (USDC)", cell: (row) => rounded(row.value), kind: "number" },
    ],
  },
  {
    key: "fills", label: "Fills", empty: "No fills yet.",
    rows: (account) => account.fills,
    columns: (find) => [
      time,
      market,
      sideColumn,
      { label: "Price", cell: (row) => priceText(row, row.price, find), kind: "number" },
      { label: "Quantity", cell: (row) => row.quantity, kind: "number" },
      { label: "Fee", cell: (row) => `${row.fee} ${row.feeSymbol}`, kind: "number" },
      { label: "Role", cell: (row) => (row.isMaker ? "maker" : "taker") },
      { label: "Order", cell: (row) => row.orderId, kind: "number" },
    ],
  },
  {
    key: "orders", label: "Order history", empty: "No orders yet.",
    rows: (account) => account.orders,
    columns: (find) => [
      ...orderColumns(find).slice(0, 7),
      { label: "Average", cell: (row) => average(row, find), kind: "number" },
      { label: "Status", cell: (row) => (row.expiryReason ? `${row.status}: ${row.expiryReason}` : row.status) },
    ],
  },
  { key: "equity", label: "Equity", empty: "", rows: (account) => account.equity, columns: () => [] },
];

function money(text) {
  return el("span", { class: gain(text) }, signed(text));
}

function average(order, find) {
  const quantity = Number(order.executedQuantity);
  if (!quantity) return "–";
  return rounded(Number(order.executedQuoteQuantity) / quantity, find(order.symbol)?.decimals ?? 2);
}

