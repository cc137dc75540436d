// Talk to the exchange as any client does: REST, and one WebSocket that comes back by itself.

const TIMEOUT_MS = 10_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5_000;
const QUIET_MS = 5_000;
const DEAD_MS = 10_000;

async function answerOf(path, options) {
  const response = await fetch(path, { ...options, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
  const text = await response.text();
  let body = null;
  try {
    body = text ? JSON.parse(text) : null;
  } catch {
    body = null;
  }
  if (response.ok && body !== null) return body;
  throw new Error(body?.message ?? (response.ok ? "The answer cannot be read." : `Status ${response.status}.`));
}

export function get(path, parameters = {}) {
  const query = new URLSearchParams(parameters).toString();
  return answerOf(query ? `${path}?${query}` : path);
}

export function post(path, body) {
  return answerOf(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

export function remove(path, parameters = {}) {
  return answerOf(`${path}?${new URLSearchParams(parameters)}`, { method: "DELETE" });
}

/** Try a task again and again, with growing pauses, until it does not throw. Returns what stops it. */
export function untilDone(task, onFailure = () => {}) {
  let isStopped = false;
  let pause = FIRST_PAUSE_MS;
  let timer = 0;
  const attempt = async () => {
    try {
      await task(() => isStopped);
    } catch (error) {
      if (isStopped) return;
      onFailure(error);
      timer = setTimeout(attempt, pause);
      pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
    }
  };
  attempt();
  return () => {
    isStopped = true;
    clearTimeout(timer);
  };
}

/** The streams. A connection that says nothing is asked something; one that does not answer is given up. */
export class Streams {
  constructor(url, onStatus) {
    this.url = url;
    this.onStatus = onStatus;
    this.handlers = new Map();
    this.openers = new Set();
    this.socket = null;
    this.pause = FIRST_PAUSE_MS;
    this.timer = 0;
    this.heardMs = 0;
    setInterval(() => this.watch(), 1_000);
    window.addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
    this.connect();
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  /** Call something each time a connection is there and its subscriptions are sent. */
  onOpen(opener) {
    this.openers.add(opener);
    if (this.isOpen) opener();
  }

  subscribe(entries) {
    for (const [name, handler] of entries) this.handlers.set(name, handler);
    this.send("SUBSCRIBE", entries.map(([name]) => name));
  }

  unsubscribe(names) {
    for (const name of names) this.handlers.delete(name);
    this.send("UNSUBSCRIBE", names);
  }

  send(method, params) {
    if (this.isOpen && params.length) this.socket.send(JSON.stringify({ method, params }));
  }

  connect() {
    clearTimeout(this.timer);
    this.timer = 0;
    const socket = new WebSocket(this.url);
    this.socket = socket;
    this.heardMs = performance.now();
    socket.onopen = () => {
      if (socket !== this.socket) return;
      this.send("SUBSCRIBE", [...this.handlers.keys()]);
      this.onStatus("live");
      for (const opener of this.openers) opener();
    };
    socket.onmessage = (event) => socket === this.socket && this.receive(event.data);
    socket.onclose = () => socket === this.socket && this.onLost();
  }

  receive(text) {
    this.heardMs = performance.now();
    this.pause = FIRST_PAUSE_MS;
    let frame = null;
    try {
      frame = JSON.parse(text);
    } catch {
      return;
    }
    this.handlers.get(frame?.stream)?.(frame.data);
  }

  onLost() {
    this.socket = null;
    this.onStatus("lost");
    this.timer = setTimeout(() => this.connect(), this.pause);
    this.pause = Math.min(2 * this.pause, LONGEST_PAUSE_MS);
  }

  hurry() {
    if (this.timer) this.connect();
  }

  watch() {
    if (this.socket === null) return;
    const quietMs = performance.now() - this.heardMs;
    if (quietMs > DEAD_MS) {
      this.socket.onclose = null;
      this.socket.close();
      this.onLost();
    } else if (quietMs > QUIET_MS) {
      // There is no ping for pages. A stream that cannot exist is answered with an error frame, which is a sign of life.
      this.send("UNSUBSCRIBE", ["ping"]);
    }
  }
}
