// npm's `ws` as the tests drive it: each line of standard input is a call, each line of output its result.
//
// [number, connection, method, argument] -> [number, error or null, value]; bytes are {"bytes": base64}.
"use strict";

const WebSocket = require("ws");
const { createInterface } = require("node:readline");

const connections = new Map();

const packed = (data, isBinary) => (isBinary ? { bytes: data.toString("base64") } : data.toString());
const unpacked = (value) => (typeof value === "string" ? value : Buffer.from(value.bytes, "base64"));

class Connection {
  constructor(url, options) {
    this.waiting = [];
    this.arrived = [];
    this.ws = new WebSocket(url, options);
    this.ws.on("message", (data, isBinary) => this.push({ message: packed(data, isBinary) }));
    this.ws.on("pong", (data) => this.push({ pong: data.toString() }));
    this.ws.on("close", (code, reason) => this.push({ close: [code, reason.toString()] }));
    this.ws.on("error", () => {});
  }

  push(event) {
    const taker = this.waiting.shift();
    if (taker) taker(event);
    else this.arrived.push(event);
  }

  next() {
    if (this.arrived.length) return this.arrived.shift();
    return new Promise((resolve) => this.waiting.push(resolve));
  }
}

const calls = {
  connect(name, { url, options }) {
    const connection = new Connection(url, options);
    connections.set(name, connection);
    return new Promise((resolve, reject) => {
      connection.ws.once("open", () => resolve(connection.ws.extensions));
      connection.ws.once("error", reject);
    });
  },
  send(name, message) {
    connections.get(name).ws.send(unpacked(message));
  },
  sendParts(name, parts) {
    const { ws } = connections.get(name);
    parts.forEach((part, index) => ws.send(unpacked(part), { fin: index === parts.length - 1 }));
  },
  next(name) {
    return connections.get(name).next();
  },
  ping(name, payload) {
    connections.get(name).ws.ping(payload);
  },
  close(name, [code, reason]) {
    connections.get(name).ws.close(code, reason);
  },
  forget(name) {
    connections.get(name).ws.terminate();
    connections.delete(name);
  },
};

createInterface({ input: process.stdin }).on("line", async (line) => {
  const [number, name, method, argument] = JSON.parse(line);
  let result;
  try {
    result = [number, null, (await calls[method](name, argument)) ?? null];
  } catch (error) {
    result = [number, String(error), null];
  }
  process.stdout.write(`${JSON.stringify(result)}\n`);
});
