// Write numbers and times. Prices and quantities stay the exchange's own text; only sums and pictures use floats.

export function decimalsOf(increment) {
  return (increment.split(".")[1] ?? "").length;
}

/** Pad a decimal text with zeros to so many decimals; longer ones stay as they are. */
export function padded(text, decimals) {
  const [whole, fraction = ""] = text.split(".");
  const digits = fraction.padEnd(decimals, "0");
  return grouped(whole) + (digits ? `.${digits}` : "");
}

function grouped(whole) {
  return whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

/** Round a decimal text or number for people, such as 1,234.50; a dash for what is no number. */
export function rounded(value, decimals = 2) {
  const number = Number(value);
  if (!Number.isFinite(number)) return "–";
  const text = number.toFixed(decimals);
  return padded(Number(text) === 0 ? text.replace("-", "") : text, decimals);
}

export function signed(value, decimals = 2) {
  const text = rounded(value, decimals);
  return Number(value) > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

/** The class of a gain or a loss; what is shown as zero has neither colour. */
export function gain(value, decimals = 2) {
  const shown = Number(Number(value).toFixed(decimals));
  return shown > 0 ? "up" : shown < 0 ? "down" : "";
}

/** Shorten a large number: 12.3K, 4.56M. */
export function compact(value) {
  const number = Number(value);
  for (const [size, letter] of [[1e9, "B"], [1e6, "M"], [1e3, "K"]]) {
    if (Math.abs(number) >= size) return `${(number / size).toFixed(2)}${letter}`;
  }
  return rounded(number, Math.abs(number) >= 100 ? 0 : 2);
}

export function percent(fraction, decimals = 2) {
  const number = Number(fraction) * 100;
  return `${number > 0 ? "+" : ""}${number.toFixed(decimals)}%`;
}

/** Times are UTC, as the exchange's are. */
export function clockTime(ms, withMilliseconds = false) {
  return new Date(ms).toISOString().slice(11, withMilliseconds ? 23 : 19);
}

export function dayAndTime(ms) {
  return new Date(ms).toISOString().slice(5, 19).replace("T", " ");
}

/** Read the exchange's times without zone, which are UTC: "2026-11-21 12:00:00" or with a T. */
export function utcMs(text) {
  return Date.parse(`${text.replace(" ", "T")}Z`);
}

export function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}

/** An account's public key, short enough for a list. */
export function shortKey(key) {
  return key.length > 14 ? `${key.slice(0, 6)}…${key.slice(-5)}` : key;
}

export function side(word) {
  return word === "Bid" ? "Buy" : "Sell";
}
