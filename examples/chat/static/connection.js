// A WebSocket that comes back. It tries again with growing pauses and a little chance, so that a thousand
// pages do not return to a restarted server at the same moment.

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;
const TOO_LONG = 10_000;

export class Connection {
  #address;
  #on;
  #socket = null;
  #failures = 0;
  #timer = 0;

  /**
   * @param {() => URL} address Where to connect, asked each time.
   * @param {object} on What to call:
   *   `message(value)` for each message; `lost(code)` when the connection breaks;
   *   `state(name, retryAt)` with "connecting", "open", or "waiting" until the time `retryAt`.
   */
  constructor(address, on) {
    this.#address = address;
    this.#on = on;
    addEventListener("online", this.retry);
    document.addEventListener("visibilitychange", this.#seen);
    this.#connect();
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Send a value; only while the connection is open. */
  send(value) {
    this.#socket.send(JSON.stringify(value));
  }

  /** Connect now rather than at the end of the pause. */
  retry = () => {
    if (this.#timer) this.#connect();
  };

  /** Part for good. */
  close() {
    removeEventListener("online", this.retry);
    document.removeEventListener("visibilitychange", this.#seen);
    clearTimeout(this.#timer);
    this.#timer = 0;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #seen = () => {
    if (document.visibilityState === "visible") this.retry();
  };

  #connect() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#on.state("connecting");
    const socket = (this.#socket = new WebSocket(this.#address()));
    const giveUp = setTimeout(() => socket.close(), TOO_LONG);
    socket.onopen = () => {
      clearTimeout(giveUp);
      if (this.#socket === socket) this.#on.state("open");
    };
    socket.onmessage = ({ data }) => {
      if (this.#socket !== socket) return;
      // A server that accepts and breaks at once has not recovered: only a message counts.
      this.#failures = 0;
      this.#on.message(JSON.parse(data));
    };
    socket.onclose = ({ code }) => {
      clearTimeout(giveUp);
      if (this.#socket !== socket) return;
      this.#socket = null;
      this.#on.lost(code);
      this.#wait();
    };
  }

  #wait() {
    const pause = Math.min(FIRST_PAUSE * 2 ** this.#failures++, LONGEST_PAUSE);
    const chosen = pause * (0.5 + Math.random() / 2);
    this.#timer = setTimeout(() => this.#connect(), chosen);
    this.#on.state("waiting", Date.now() + chosen);
  }
}

/** The WebSocket address of a path relative to this page, whatever prefix or proxy it is behind. */
export function socketUrl(path) {
  const url = new URL(path, document.baseURI);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.hash = "";
  return url;
}
