// Node's `ws`: callbacks; fan-out: a loop over `send`.
const fs = require("node:fs");
const https = require("node:https");
const http = require("node:http");
const { WebSocketServer } = require("ws");

const template = fs.readFileSync(process.env.BENCH_TEMPLATE, "utf8");
const [before, after] = template.split("0000000000");
const subscribers = new Set();
let published = 0;

const handlers = {
  "/echo": (ws) => ws.on("message", (data, binary) => ws.send(data, { binary })),
  "/subscribe": (ws) => {
    subscribers.add(ws);
    ws.on("close", () => subscribers.delete(ws));
  },
  "/publish": (ws) =>
    ws.on("message", (data) => {
      for (let count = Number(data.toString().slice(2)); count > 0; count--) {
        const publication = before + String(published++).padStart(10, "0") + after;
        for (const subscriber of subscribers) subscriber.send(publication);
      }
    }),
};

const cert = process.env.BENCH_CERT;
const server = cert
  ? https.createServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(process.env.BENCH_KEY) })
  : http.createServer();
const perMessageDeflate = process.env.BENCH_DEFLATE ? { threshold: 0 } : false;
const wss = new WebSocketServer({ server, perMessageDeflate });
wss.on("connection", (ws, request) => {
  ws.on("error", () => {});
  handlers[request.url](ws);
});
server.listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 2048 });
