// Set faults, watch what they do, and end them. The form is made from the simulator's own catalogue.

import { byId, el, reconcile, setText } from "./dom.js";
import { get, post, remove, untilDone } from "./exchange.js";
import { shortKey } from "./format.js";

const FAULTS = "/simulator/faults";
const STATES = ["Closed", "CancelOnly", "LimitOnly", "PostOnly", "Open"];
const STREAMS = [
  "depth", "trade", "bookTicker", "ticker", "kline", "markPrice", "openInterest", "liquidation",
  "account.orderUpdate", "account.balanceUpdate", "account.positionUpdate", "account.rfqUpdate",
];
const RARE = ["skip", "seed"];

// How each field is written: `of` makes the value that is sent from the text.
const FIELDS = {
  operations: { label: "Operations", hint: "all", list: "fault-operations", of: words },
  streams: { label: "Streams", hint: "all", list: "fault-streams", of: words },
  account: { label: "Account", hint: "all", list: "fault-accounts" },
  market: { label: "Market", hint: "all", list: "fault-markets" },
  state: { label: "State", options: STATES },
  orderId: { label: "Order id", hint: "chance picks one" },
  delaySeconds: { label: "Delay", hint: "seconds", of: Number, min: 0 },
  jitterSeconds: { label: "Jitter", hint: "seconds, random", of: Number, min: 0 },
  offsetSeconds: { label: "Clock ahead by", hint: "seconds, or -5", of: Number },
  price: { label: "Price", hint: "of an order" },
  quantity: { label: "Quantity", hint: "all that rests there" },
  code: { label: "Code", hint: "1000 to 4999", of: Number, min: 1000, step: 1 },
  message: { label: "Message", hint: "the usual one" },
  isExecuted: { label: "Executed all the same", isCheck: true },
  isEndedOnly: { label: "Without resting orders", isCheck: true },
  probability: { label: "Probability", hint: "1, always", of: Number, min: 0, max: 1 },
  count: { label: "At most", hint: "no limit", of: Number, min: 1, step: 1 },
  durationSeconds: { label: "For", hint: "seconds", of: Number, min: 0 },
  skip: { label: "Skip the first", hint: "0", of: Number, min: 0, step: 1 },
  seed: { label: "Seed", hint: "0", of: Number, step: 1 },
};

const QUICK = [
  ["Drop connections", () => ({ kind: "socket_dropped" })],
  ["Lose 20% of depth, 30 s", () => ({ kind: "frame_dropped", streams: ["depth"], probability: 0.2, durationSeconds: 30 })],
  ["Lose next order's answer", () => ({ kind: "answer_lost", operations: ["execute_order"], count: 1 })],
  ["Orders 2 s late, 30 s", () => ({ kind: "answer_delayed", operations: ["execute_order"], delaySeconds: 2, durationSeconds: 30 })],
  ["Maintenance, 15 s", () => ({ kind: "maintenance", durationSeconds: 15 })],
  ["Close this market, 15 s", (market) => ({ kind: "market_state", market, state: "Closed", durationSeconds: 15 })],
];

function words(text) {
  return text.split(",").map((word) => word.trim()).filter(Boolean);
}

export class FaultPanel {
  constructor(nowSymbol, onChanged) {
    this.nowSymbol = nowSymbol;
    this.onChanged = onChanged;
    this.kinds = [];
    this.inputs = new Map();
    this.form = byId("fault-form");
    this.error = byId("fault-error");
    this.active = el("ul", { "aria-label": "Faults that are set" });
    this.over = el("ul", { "aria-label": "Faults that are over" });
    this.empty = el("p", { class: "hint" }, "Nothing is broken now.");
    byId("fault-list").append(this.empty, this.active);
    byId("fault-form").after(this.over);
    this.endAll = byId("end-all-faults");
    this.endAll.addEventListener("click", () => this.change(() => remove(FAULTS)));
    byId("quick-faults").append(
      ...QUICK.map(([label, fault]) =>
        el("button", { type: "button", onclick: () => this.change(() => post(FAULTS, [fault(this.nowSymbol())])) }, label),
      ),
    );
    untilDone(async () => this.build(await get("/simulator/fault-kinds")));
  }

  build(kinds) {
    this.kinds = kinds;
    const groups = [["Requests and answers", []], ["Streams and connections", []], ["The exchange itself", []]];
    for (const row of kinds) groups[groupOf(row)][1].push(row);
    const options = groups.map(([label, rows]) =>
      el("optgroup", { label }, ...rows.map((row) => el("option", { value: row.kind }, row.kind.replaceAll("_", " ")))),
    );
    this.kind = el("select", { id: "fault-kind", name: "kind", onchange: () => this.showFields() }, ...options);
    this.sentence = el("p", { class: "hint", id: "fault-sentence" });
    this.kind.setAttribute("aria-describedby", "fault-sentence");
    this.fields = el("div", { class: "fields" });
    this.lists = el("div", { hidden: true });
    this.form.replaceChildren(
      el("label", { class: "field wide" }, el("span", {}, "What breaks"), this.kind),
      this.sentence,
      this.fields,
      el("button", { type: "submit", class: "primary" }, "Set fault"),
      this.lists,
    );
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.change(() => post(FAULTS, [this.read()]));
    });
    this.form.noValidate = true;
    this.showFields();
  }

  showFields() {
    const row = this.row();
    this.sentence.replaceChildren(...sentenceOf(row.sentence));
    this.inputs.clear();
    const often = row.hasOccasions ? ["probability", "count", "skip"] : [];
    const allowed = new Set([...row.required, ...row.scope, ...row.parameters, ...often, "durationSeconds", "seed"]);
    const names = [...row.required, ...Object.keys(FIELDS).filter((name) => allowed.has(name) && !row.required.includes(name))];
    const make = (name) => this.field(name, row);
    const usual = names.filter((name) => !RARE.includes(name)).map(make);
    const rare = names.filter((name) => RARE.includes(name)).map(make);
    this.fields.replaceChildren(...usual, el("details", {}, el("summary", {}, "More"), el("div", { class: "fields" }, ...rare)));
    this.fillLists(row);
  }

  field(name, row) {
    const description = FIELDS[name];
    const isRequired = row.required.includes(name);
    const label = el("span", {}, description.label + (isRequired ? " *" : ""));
    const input = this.input(name, description, row, isRequired);
    this.inputs.set(name, input);
    return el("label", { class: description.isCheck ? "field check" : "field" }, label, input);
  }

  input(name, description, row, required) {
    if (description.isCheck) return el("input", { type: "checkbox", name });
    if (description.options) return el("select", { name, required }, ...description.options.map((word) => el("option", {}, word)));
    const hint = name === "count" && row.defaultCount ? String(row.defaultCount) : description.hint;
    const isNumber = description.of === Number;
    const input = el("input", {
      type: isNumber ? "number" : "text", name, required, placeholder: required ? description.hint === "all" ? "needed" : description.hint : hint,
      list: description.list, min: description.min, max: description.max, step: isNumber ? (description.step ?? "any") : null, spellcheck: "false",
    });
    if (required && name === "market") input.value = this.nowSymbol() ?? "";
    return input;
  }

  fillLists(row) {
    const lists = {
      "fault-operations": row.operations, "fault-streams": STREAMS,
      "fault-accounts": this.accounts ?? [], "fault-markets": this.markets ?? [],
    };
    this.lists.replaceChildren(
      ...Object.entries(lists).map(([id, values]) => el("datalist", { id }, ...values.map((value) => el("option", { value })))),
    );
  }

  /** Take the markets and accounts that can be chosen. */
  offer(markets, accounts) {
    const state = `${markets} ${accounts}`;
    if (state === this.offered) return;
    this.offered = state;
    this.markets = markets;
    this.accounts = accounts;
    if (this.kinds.length) this.fillLists(this.row());
  }

  row() {
    return this.kinds.find((row) => row.kind === this.kind.value);
  }

  read() {
    const fault = { kind: this.kind.value };
    for (const [name, input] of this.inputs) {
      if (input.type === "checkbox") {
        if (input.checked) fault[name] = true;
      } else if (input.validity?.badInput) {
        throw new Error(`${FIELDS[name].label}: that is no number.`);
      } else if (input.value.trim() !== "") {
        fault[name] = (FIELDS[name].of ?? String)(input.value.trim());
      }
    }
    return fault;
  }

  async change(action) {
    this.error.hidden = true;
    try {
      await action();
    } catch (error) {
      setText(this.error, error.message.endsWith(".") ? error.message : `${error.message}.`);
      this.error.hidden = false;
    }
    this.onChanged();
  }

  update(faults) {
    const active = faults.filter((fault) => fault.isActive);
    this.endAll.disabled = active.length === 0;
    this.empty.hidden = active.length > 0;
    for (const [list, rows] of [[this.active, active], [this.over, faults.filter((fault) => !fault.isActive)]]) {
      reconcile(list, rows, (fault) => fault.id, (fault) => this.item(fault), write);
    }
    return active.length;
  }

  item(fault) {
    const end = el("button", { type: "button", onclick: () => this.change(() => remove(FAULTS, { id: fault.id })) }, "End");
    end.setAttribute("aria-label", `End fault ${fault.id}, ${fault.kind.replaceAll("_", " ")}`);
    return el("li", {}, el("div", {}, el("strong"), el("span", { class: "scope" })), el("span", { class: "strikes" }), end);
  }
}

/** Write a sentence whose words in backticks are code. */
function sentenceOf(text) {
  const parts = text ? `${text[0].toUpperCase()}${text.slice(1)}.`.split("`") : [];
  return parts.map((part, index) => (index % 2 ? el("code", {}, part) : part));
}

function groupOf(row) {
  if (/^(socket|frame|subscription)_/.test(row.kind)) return 1;
  return row.operations.length && row.kind !== "maintenance" ? 0 : 2;
}

function write(element, fault) {
  const [text, strikes, end] = element.children;
  setText(text.firstElementChild, fault.kind.replaceAll("_", " "));
  setText(text.lastElementChild, scopeText(fault));
  const struck = ["has not struck", "struck once"][fault.struck] ?? `struck ${fault.struck} times`;
  setText(strikes, fault.isActive ? struck : `over · ${struck}`);
  element.classList.toggle("over", !fault.isActive);
  end.hidden = !fault.isActive;
}

function scopeText(fault) {
  const shown = Object.keys(FIELDS).filter((name) => fault[name] !== undefined && !(name === "seed" && fault.seed === 0));
  const parts = shown.map((name) => {
    const value = name === "account" ? shortKey(fault.account) : Array.isArray(fault[name]) ? fault[name].join(", ") : String(fault[name]);
    return `${FIELDS[name].label.toLowerCase()} ${value}${name.endsWith("Seconds") ? " s" : ""}`;
  });
  return parts.join(" · ") || "everywhere";
}
