// The table, and whichever connection brings its changes: a WebSocket of the application's, or pusher-js.
const PUSHER_JS = "https://js.pusher.com/8.4.0/pusher.min.js";

const table = document.getElementById("orders");
const state = document.getElementById("state");

function show({ number, item, status }) {
  const row = document.getElementById(`order-${number}`) ?? table.insertRow();
  row.id = `order-${number}`;
  row.dataset.status = status;
  row.replaceChildren(...[number, item, status].map((text) => {
    const cell = document.createElement("td");
    cell.textContent = text;
    return cell;
  }));
}

// What changed while there was no connection is in the list.
async function connected() {
  (await (await fetch("orders")).json()).forEach(show);
  state.textContent = "up to date";
}

function local() {
  const ws = new WebSocket(new URL("updates", location.href.replace(/^http/, "ws")));
  ws.onopen = connected;
  ws.onmessage = ({ data }) => {
    const { event, data: order } = JSON.parse(data);
    if (event === "order.changed") show(order);
  };
  ws.onclose = () => {
    state.textContent = "connecting";
    setTimeout(local, 1000 + 1000 * Math.random());
  };
}

function pusher({ key, options }) {
  const script = document.createElement("script");
  script.src = PUSHER_JS;
  script.onload = () => {
    const channel = new window.Pusher(key, options).subscribe("orders");
    channel.bind("pusher:subscription_succeeded", connected);
    channel.bind("order.changed", show);
  };
  document.head.append(script);
}

const connection = await (await fetch("connection")).json();
connection.driver === "pusher" ? pusher(connection) : local();
