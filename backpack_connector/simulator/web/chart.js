// Draw candles with volume, and let people move, zoom and read them.

import { colours, fitCanvas, setText, soon } from "./dom.js";
import { compact, dayAndTime, decimalsOf, padded, percent } from "./format.js";

const AXIS_WIDTH = 72;
const AXIS_HEIGHT = 22;
const LEGEND_HEIGHT = 26;
const VOLUME_SHARE = 0.18;
const NARROWEST = 2;
const WIDEST = 40;
const USUAL_WIDTH = 9;
const FONT = "11px system-ui, sans-serif";
const TIME_STEPS_S = [
  1, 5, 15, 30, 60, 300, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400, 172_800, 604_800, 1_209_600,
  2_592_000, 7_776_000, 31_536_000,
];

export class CandleChart {
  constructor(canvas, legend) {
    this.canvas = canvas;
    this.legend = legend;
    this.candles = [];
    this.orders = [];
    this.decimals = 2;
    this.width = USUAL_WIDTH;
    this.offset = 0;
    this.pointer = null;
    this.paint = () => this.draw();
    new ResizeObserver(() => soon(this.paint)).observe(canvas.parentElement);
    this.listen();
  }

  setMarket(tickSize) {
    this.decimals = decimalsOf(tickSize);
    this.offset = 0;
  }

  /** Show candles { ms, open, high, low, close, volume }, oldest first, and the account's orders { price, isBuy }. */
  show(candles, orders) {
    this.candles = candles;
    this.orders = orders;
    soon(this.paint);
  }

  listen() {
    const { canvas } = this;
    let drag = null;
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15);
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      drag = { x: event.offsetX, offset: this.offset };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointerup", () => (drag = null));
    canvas.addEventListener("pointercancel", () => (drag = null));
    canvas.addEventListener("pointermove", (event) => {
      this.pointer = { x: event.offsetX, y: event.offsetY };
      if (drag) this.move(drag.offset + (event.offsetX - drag.x) / this.width);
      soon(this.paint);
    });
    canvas.addEventListener("pointerleave", () => {
      this.pointer = null;
      soon(this.paint);
    });
    canvas.addEventListener("keydown", (event) => {
      const actions = {
        ArrowLeft: () => this.move(this.offset + 5),
        ArrowRight: () => this.move(this.offset - 5),
        "+": () => this.zoom(1.25),
        "=": () => this.zoom(1.25),
        "-": () => this.zoom(0.8),
        End: () => this.move(0),
      };
      if (!actions[event.key]) return;
      event.preventDefault();
      actions[event.key]();
    });
  }

  move(offset) {
    this.offset = Math.max(0, Math.min(offset, Math.max(0, this.candles.length - 5)));
    soon(this.paint);
  }

  zoom(factor) {
    this.width = Math.max(NARROWEST, Math.min(WIDEST, this.width * factor));
    soon(this.paint);
  }

  draw() {
    const { context, width, height } = fitCanvas(this.canvas);
    const plot = { width: width - AXIS_WIDTH, height: height - AXIS_HEIGHT };
    const last = this.candles.length - 1 - Math.round(this.offset);
    const count = Math.ceil(plot.width / this.width);
    const first = Math.max(0, last - count + 1);
    const shown = this.candles.slice(first, last + 1);
    if (shown.length === 0 || plot.width < 40 || plot.height < 40) {
      setText(this.legend, "");
      return;
    }
    const scale = this.scaleOf(shown, plot, last - first);
    context.font = FONT;
    this.drawGrid(context, scale, plot, shown);
    this.drawCandles(context, scale, shown);
    this.drawOrders(context, scale, plot);
    this.drawLast(context, scale, plot);
    this.drawPointer(context, scale, plot, shown);
  }

  scaleOf(shown, plot, lastIndex) {
    let high = Math.max(...shown.map((candle) => candle.high));
    let low = Math.min(...shown.map((candle) => candle.low));
    const margin = (high - low || high * 0.001 || 1) * 0.08;
    high += margin;
    low -= margin;
    const priceHeight = plot.height * (1 - VOLUME_SHARE) - LEGEND_HEIGHT;
    const volume = Math.max(...shown.map((candle) => candle.volume)) || 1;
    return {
      high,
      low,
      x: (index) => plot.width - 8 - (lastIndex - index + 0.5) * this.width,
      y: (price) => LEGEND_HEIGHT + ((high - price) / (high - low)) * priceHeight,
      price: (y) => high - ((y - LEGEND_HEIGHT) / priceHeight) * (high - low),
      volumeTop: (amount) => plot.height - (amount / volume) * plot.height * VOLUME_SHARE * 0.9,
      bottom: plot.height,
    };
  }

  drawGrid(context, scale, plot, shown) {
    const colour = colours();
    context.strokeStyle = colour.line;
    context.fillStyle = colour.muted;
    context.lineWidth = 1;
    context.textBaseline = "middle";
    context.textAlign = "left";
    const step = niceStep((scale.high - scale.low) / Math.max(2, plot.height / 55), 10 ** -this.decimals);
    for (let price = Math.ceil(scale.low / step) * step; price < scale.high; price += step) {
      const y = Math.round(scale.y(price)) + 0.5;
      line(context, 0, y, plot.width, y);
      if (y > 8) context.fillText(this.text(price), plot.width + 8, y);
    }
    context.textAlign = "center";
    const spanMs = shown.length > 1 ? shown[1].ms - shown[0].ms : 60_000;
    const wantedS = (spanMs / 1000) * Math.ceil(90 / this.width);
    const stepMs = 1000 * (TIME_STEPS_S.find((each) => each >= wantedS) ?? TIME_STEPS_S.at(-1));
    shown.forEach((candle, index) => {
      const isFirst = Math.floor(candle.ms / stepMs) !== Math.floor((candle.ms - spanMs) / stepMs);
      const x = Math.round(scale.x(index)) + 0.5;
      if (!isFirst || x < 30 || x > plot.width - 20) return;
      line(context, x, 0, x, plot.height);
      context.fillText(timeLabel(candle.ms, stepMs), x, plot.height + AXIS_HEIGHT / 2);
    });
    line(context, plot.width + 0.5, 0, plot.width + 0.5, plot.height);
    line(context, 0, plot.height + 0.5, plot.width, plot.height + 0.5);
  }

  drawCandles(context, scale, shown) {
    const colour = colours();
    const body = Math.max(1, Math.floor(this.width * 0.72));
    context.lineWidth = 1;
    shown.forEach((candle, index) => {
      const isUp = candle.close >= candle.open;
      const x = scale.x(index);
      const left = Math.round(x - body / 2);
      context.fillStyle = isUp ? colour["up-soft"] : colour["down-soft"];
      const top = scale.volumeTop(candle.volume);
      context.fillRect(left, top, body, scale.bottom - top);
      context.fillStyle = isUp ? colour.up : colour.down;
      const [high, low] = [scale.y(candle.high), scale.y(candle.low)];
      context.fillRect(Math.round(x - 0.5), high, 1, Math.max(1, low - high));
      const upper = Math.round(scale.y(Math.max(candle.open, candle.close)));
      const lower = Math.round(scale.y(Math.min(candle.open, candle.close)));
      context.fillRect(left, upper, body, Math.max(1, lower - upper));
    });
  }

  drawOrders(context, scale, plot) {
    const colour = colours();
    context.save();
    context.setLineDash([2, 4]);
    for (const { price, isBuy } of this.orders) {
      if (price <= scale.low || price >= scale.high) continue;
      context.strokeStyle = isBuy ? colour.up : colour.down;
      const y = Math.round(scale.y(price)) + 0.5;
      line(context, 0, y, plot.width, y);
    }
    context.restore();
  }

  drawLast(context, scale, plot) {
    const candle = this.candles.at(-1);
    const colour = colours();
    const fill = candle.close >= candle.open ? colour.up : colour.down;
    const y = Math.min(plot.height - 9, Math.max(9, Math.round(scale.y(candle.close)))) + 0.5;
    context.save();
    context.setLineDash([4, 3]);
    context.strokeStyle = fill;
    line(context, 0, y, plot.width, y);
    context.restore();
    label(context, this.text(candle.close), plot.width, y, fill, colour.panel);
  }

  drawPointer(context, scale, plot, shown) {
    const colour = colours();
    let candle = shown.at(-1);
    if (this.pointer && this.pointer.x < plot.width && this.pointer.y < plot.height) {
      const fromRight = Math.floor((plot.width - 8 - this.pointer.x) / this.width);
      const index = Math.max(0, Math.min(shown.length - 1, shown.length - 1 - fromRight));
      candle = shown[index];
      context.save();
      context.setLineDash([3, 3]);
      context.strokeStyle = colour.faint;
      const x = Math.round(scale.x(index)) + 0.5;
      line(context, x, 0, x, plot.height);
      line(context, 0, this.pointer.y, plot.width, this.pointer.y);
      context.restore();
      label(context, this.text(scale.price(this.pointer.y)), plot.width, this.pointer.y, colour.line, colour.text);
    }
    const parts = ["open", "high", "low", "close"].map((name) => `${name[0].toUpperCase()} ${this.text(candle[name])}`);
    const change = percent(candle.open ? candle.close / candle.open - 1 : 0);
    setText(this.legend, `${dayAndTime(candle.ms)}   ${parts.join("   ")}   ${change}   V ${compact(candle.volume)}`);
    this.legend.classList.toggle("down", candle.close < candle.open);
  }

  text(price) {
    return padded(price.toFixed(this.decimals), this.decimals);
  }
}

function line(context, fromX, fromY, toX, toY) {
  context.beginPath();
  context.moveTo(fromX, fromY);
  context.lineTo(toX, toY);
  context.stroke();
}

function label(context, text, x, y, background, foreground) {
  context.fillStyle = background;
  context.fillRect(x + 1, y - 9, AXIS_WIDTH - 2, 18);
  context.fillStyle = foreground;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(text, x + 8, y);
}

function niceStep(rough, least) {
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough) ?? 10 * power;
  return Math.max(step, least);
}

function timeLabel(ms, stepMs) {
  const text = new Date(ms).toISOString();
  if (stepMs >= 86_400_000) return text.slice(2, 10);
  if (ms % 86_400_000 === 0) return text.slice(5, 10);
  return stepMs < 60_000 ? text.slice(11, 19) : text.slice(11, 16);
}

/** Draw a curve of [time in µs, value] with its lowest and highest value. */
export function drawCurve(canvas, points, textOf) {
  const { context, width, height } = fitCanvas(canvas);
  if (points.length < 2) return;
  const colour = colours();
  const times = points.map(([time]) => time);
  const values = points.map(([, value]) => Number(value));
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const span = high - low || Math.abs(high) * 0.001 || 1;
  const x = (time) => 8 + ((time - times[0]) / (times.at(-1) - times[0])) * (width - AXIS_WIDTH - 24);
  const y = (value) => 16 + ((high - value) / span) * (height - 48);
  const stroke = values.at(-1) >= values[0] ? colour.up : colour.down;
  const path = new Path2D();
  values.forEach((value, index) => path.lineTo(x(times[index]), y(value)));
  context.strokeStyle = stroke;
  context.lineWidth = 1.5;
  context.stroke(path);
  path.lineTo(x(times.at(-1)), height - 24);
  path.lineTo(8, height - 24);
  context.fillStyle = values.at(-1) >= values[0] ? colour["up-soft"] : colour["down-soft"];
  context.fill(path);
  context.font = FONT;
  context.fillStyle = colour.muted;
  context.textBaseline = "middle";
  for (const value of high > low ? [high, low] : [high]) context.fillText(textOf(value), width - AXIS_WIDTH - 8, y(value));
  context.fillText(dayAndTime(times[0] / 1000), 8, height - 10);
  context.textAlign = "right";
  context.fillText(dayAndTime(times.at(-1) / 1000), width - AXIS_WIDTH - 16, height - 10);
}
