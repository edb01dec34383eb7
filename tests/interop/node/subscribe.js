// pusher-js, or Laravel Echo on top of it, subscribes to channels; the auth route is asked over HTTP.
//
// The other side of the WebSocket is played here with `ws`: it lets in whoever has the signature that npm's
// `pusher` makes of the same app. Printed is, as JSON, what became of each channel.
"use strict";

const Pusher = require("pusher-js");
const PusherServer = require("pusher");
const { WebSocketServer } = require("ws");

const { library, endpoint, key, secret, master, user, channels } = JSON.parse(process.argv[2]);
const server = new PusherServer({ appId: "1", key, secret, encryptionMasterKeyBase64: master });

const listening = new WebSocketServer({ host: "127.0.0.1", port: 0 });
listening.on("connection", (ws) => {
  const socketId = "1234.5678";
  const send = (event, channel, data) => ws.send(JSON.stringify({ event, channel, data: JSON.stringify(data) }));
  send("pusher:connection_established", undefined, { socket_id: socketId, activity_timeout: 120 });
  ws.on("message", (text) => {
    const { event, data } = JSON.parse(text);
    if (event !== "pusher:subscribe") return;
    const member = data.channel_data && JSON.parse(data.channel_data);
    if (data.auth !== server.authorizeChannel(socketId, data.channel, member).auth) {
      send("pusher:subscription_error", data.channel, { type: "AuthError", status: 401 });
      return;
    }
    const presence = member && { ids: [member.user_id], hash: { [member.user_id]: member.user_info }, count: 1 };
    send("pusher_internal:subscription_succeeded", data.channel, presence ? { presence } : {});
  });
});

listening.on("listening", async () => {
  // It is an ES module, which `require` does not find.
  const { default: Echo } = await import(`${process.env.NODE_PATH}/laravel-echo/dist/echo.js`);
  const pusher = new Pusher(key, {
    cluster: "x",
    wsHost: "127.0.0.1",
    wsPort: listening.address().port,
    forceTLS: false,
    enableStats: false,
    enabledTransports: ["ws"],
    channelAuthorization: { endpoint, transport: "ajax", headers: { "X-User": user } },
  });
  const echo = library === "echo" && new Echo({ broadcaster: "pusher", key, client: pusher });
  const outcome = (channel) => new Promise((resolve) => {
    const failed = (error) => resolve([channel, { refused: error.status }]);
    if (echo && channel.startsWith("presence-")) {
      echo.join(channel.slice("presence-".length)).here((members) => resolve([channel, { members }])).error(failed);
    } else if (echo) {
      echo.private(channel.slice("private-".length)).subscribed(() => resolve([channel, "subscribed"])).error(failed);
    } else {
      const subscribed = pusher.subscribe(channel);
      subscribed.bind("pusher:subscription_error", failed);
      subscribed.bind("pusher:subscription_succeeded", (members) =>
        resolve([channel, members.me ? { members: [members.me.info], me: members.me.id } : "subscribed"]));
    }
  });
  const outcomes = await Promise.all(channels.map(outcome));
  process.stdout.write(JSON.stringify(Object.fromEntries(outcomes)), () => process.exit(0));
});
