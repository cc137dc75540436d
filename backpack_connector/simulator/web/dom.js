// Make and change elements. All data goes through textContent and setAttribute; nothing on this page is made from markup.

export function byId(id) {
  return document.getElementById(id);
}

/** Make an element: `on…` attributes are listeners, true sets a bare attribute, false, null and undefined leave it out. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Change a text only when it differs, so that nothing is laid out again without need. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setClass(element, name) {
  if (element.className !== name) element.className = name;
}

/** A row of options of which one is chosen; arrow keys move, as in every group of radio buttons. */
export function segments(container, options, role, onChoose) {
  const buttons = options.map(({ value, label }) =>
    el("button", { type: "button", role, "data-value": value, onclick: () => choose(value) }, label),
  );
  const attribute = role === "tab" ? "aria-selected" : "aria-checked";
  let chosen = null;

  function choose(value, isSilent = false) {
    chosen = value;
    for (const button of buttons) {
      const isChosen = button.dataset.value === value;
      button.setAttribute(attribute, String(isChosen));
      button.tabIndex = isChosen ? 0 : -1;
    }
    if (!isSilent) onChoose(value);
  }

  container.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = buttons.findIndex((button) => button.dataset.value === chosen);
    const next = buttons[(at + step + buttons.length) % buttons.length];
    next.focus();
    choose(next.dataset.value);
  });
  container.replaceChildren(...buttons);
  return { choose };
}

const dirty = new Set();

/** Paint before the next frame of the screen, once however often it is asked for. */
export function soon(paint) {
  if (dirty.size === 0) {
    requestAnimationFrame(() => {
      const paints = [...dirty];
      dirty.clear();
      for (const each of paints) each();
    });
  }
  dirty.add(paint);
}

/** Fit a canvas to its box at the resolution of the screen; return its context and its size in CSS pixels. */
export function fitCanvas(canvas) {
  const { width, height } = canvas.parentElement.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  const wide = Math.max(1, Math.round(width * ratio));
  const high = Math.max(1, Math.round(height * ratio));
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

let palette = null;

/** The colours of the style sheet, for canvases. */
export function colours() {
  if (palette === null) {
    const style = getComputedStyle(document.documentElement);
    const names = ["text", "muted", "faint", "line", "panel", "up", "down", "up-soft", "down-soft", "accent"];
    palette = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  }
  return palette;
}

/** Keep one element per item, in the items' order, so that focus and scrolling outlive an update. */
export function reconcile(container, items, keyOf, make, update) {
  const known = new Map([...container.children].map((element) => [element.dataset.key, element]));
  let after = null;
  for (const item of items) {
    const key = String(keyOf(item));
    let element = known.get(key);
    known.delete(key);
    if (element === undefined) {
      element = make(item);
      element.dataset.key = key;
    }
    const place = after === null ? container.firstElementChild : after.nextElementSibling;
    if (place !== element) container.insertBefore(element, place);
    update(element, item);
    after = element;
  }
  for (const element of known.values()) element.remove();
}

/** A table whose rows are written anew; `columns` are { label, cell, kind }, and a cell is a text or an element. */
export function table(columns, rows, emptyText) {
  if (rows.length === 0) return el("p", { class: "empty" }, emptyText);
  const head = el("tr", {}, ...columns.map(({ label, kind }) => el("th", { scope: "col", class: kind }, label)));
  const body = rows.map((row) =>
    el("tr", {}, ...columns.map(({ cell, kind }) => el("td", { class: kind }, cell(row)))),
  );
  return el("table", {}, el("thead", {}, head), el("tbody", {}, ...body));
}
