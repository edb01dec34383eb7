// The chat's page: what it knows of the room, what it shows, what it sends. ../app.py has the other side.

import { Connection, socketUrl } from "./connection.js";
import { Log, avatar, element, several } from "./log.js";
import { lasting, passing } from "./store.js";

const LOBBY = "lobby";
const ROOMS_REMEMBERED = 8;
const TYPING_SAID_EVERY = 2_500;
const TYPING_SHOWN_FOR = 4_000;
const REFUSALS = [1007, 1009]; // the server could not accept what it was sent (RFC 6455 § 7.4.1)

const byId = (id) => document.getElementById(id);
const collator = new Intl.Collator();
const narrow = matchMedia("(max-width: 760px)");

let name = cleanName(lasting.get("name", ""));
let room = null;
let connection = null;
let welcomed = false;
let early = []; // what arrives before the welcome is looked at after it
let position = null; // of the last message that was shown: whoever comes back asks for what is after it
let people = new Set();
let everywhere = new Set(); // who is in which room, as room/name
let returning = new Set(); // who was here when the connection broke: their return is no news
let waiting = []; // what is written and not confirmed
let sent = new Set(); // which of it went out on this connection
const typing = new Map();

const log = new Log((unread) => {
  document.title = `${unread ? `(${unread}) ` : ""}${room} · Antiphon`;
});

// --- The room ------------------------------------------------------------------------------------------

function enter(wanted) {
  if (wanted !== room) {
    room = wanted;
    people = new Set();
    position = null;
    remember(room);
    log.clear();
    waiting = passing.get(`waiting.${room}`, []);
    for (const { id, text } of waiting) log.queue({ id, name, text });
    byId("title").textContent = room;
    showPeople();
    showRooms();
  }
  connect();
}

function connect() {
  connection?.close();
  lose();
  connection = new Connection(address, { message: receive, lost, state: showState });
}

function address() {
  const url = socketUrl(`rooms/${encodeURIComponent(room)}`);
  url.searchParams.set("name", name);
  if (position) url.searchParams.set("since", `${position.offset}.${position.epoch}`);
  return url;
}

function lost(code) {
  const refused = REFUSALS.includes(code) && waiting.find(({ id }) => sent.has(id));
  if (refused) {
    log.refuse(refused.id);
    forget(refused.id);
  }
  lose();
}

function lose() {
  welcomed = false;
  early = [];
  byId("log").ariaBusy = "true"; // what was said before is not read out
  sent = new Set();
  for (const each of typing.keys()) stopsTyping(each);
}

function receive(value) {
  if (value.type === "welcome") welcome(value);
  else if (welcomed) hear[value.event]?.(value.data, value);
  else early.push(value);
}

function welcome({ people: here, everywhere: all, recovered, recent }) {
  const first = log.isEmpty;
  returning = people;
  people = new Set(here);
  for (const each of people) returning.delete(each);
  everywhere = new Set(all);
  if (recovered === false && !first) log.gap();
  if (recent) {
    for (const said of recent.said) show(said, !first);
    position = recent.position;
  }
  welcomed = true;
  for (const each of early.splice(0)) receive(each);
  byId("log").ariaBusy = "false";
  showPeople();
  showRooms();
  flush();
}

// What is published on the channels, by its event.
const hear = {
  said(said, { offset, epoch }) {
    // What came before the welcome may be in its history as well.
    if (epoch === position.epoch && offset <= position.offset) return;
    position = { offset, epoch };
    stopsTyping(said.name);
    show(said, true);
  },

  typing(name) {
    clearTimeout(typing.get(name));
    typing.set(name, setTimeout(() => stopsTyping(name), TYPING_SHOWN_FOR));
    showTyping();
  },

  join({ join: { user } }, { channel }) {
    if (channel === "everywhere") {
      everywhere.add(user);
      showRooms();
    } else if (!people.has(user)) {
      people.add(user);
      if (!returning.delete(user)) log.presence(user, "joined");
      showPeople();
    }
  },

  leave({ leave: { user } }, { channel }) {
    if (channel === "everywhere") {
      everywhere.delete(user);
      showRooms();
    } else if (people.delete(user)) {
      stopsTyping(user);
      log.presence(user, "left");
      showPeople();
    }
  },
};

function show(said, live) {
  forget(said.id);
  log.say(said, { own: said.name === name, live });
  byId("nothing").hidden = true;
}

function stopsTyping(name) {
  clearTimeout(typing.get(name));
  if (typing.delete(name)) showTyping();
}

// --- Saying something ----------------------------------------------------------------------------------

function say(text) {
  const id = crypto.getRandomValues(new Uint32Array(3)).join("-");
  waiting.push({ id, text });
  keepWaiting();
  log.queue({ id, name, text });
  byId("nothing").hidden = true;
  flush();
}

function flush() {
  if (!welcomed || !connection.isOpen) return;
  for (const { id, text } of waiting) {
    if (sent.has(id)) continue;
    sent.add(id);
    connection.send({ type: "say", id, text });
  }
}

function forget(id) {
  const left = waiting.filter((each) => each.id !== id);
  if (left.length === waiting.length) return;
  waiting = left;
  keepWaiting();
}

function keepWaiting() {
  passing.set(`waiting.${room}`, waiting);
}

// --- What is shown -------------------------------------------------------------------------------------

function showPeople() {
  const others = [...people].filter((each) => each !== name).sort(collator.compare);
  const rows = (people.has(name) ? [name, ...others] : others).map((each) => {
    const row = element("li", "person");
    row.append(avatar(each), element("bdi", "", each));
    if (each === name) row.append(element("span", "you", "you"));
    return row;
  });
  byId("people").replaceChildren(...rows);
  byId("count").textContent = people.size === 1 ? "1 person" : `${people.size || "…"} people`;
  byId("nothing").hidden = !welcomed || !log.isEmpty;
}

function showRooms() {
  const crowds = new Map();
  for (const each of everywhere) {
    const [where] = each.split("/", 1);
    crowds.set(where, (crowds.get(where) ?? 0) + 1);
  }
  const known = new Set([...lasting.get("rooms", []), ...crowds.keys(), room]);
  known.delete(LOBBY);
  const rows = [LOBBY, ...[...known].sort(collator.compare)].map((each) => {
    const row = element("li", "");
    const link = element("a", "", each);
    link.href = `#${encodeURIComponent(each)}`;
    if (each === room) link.setAttribute("aria-current", "page");
    const count = crowds.get(each) ?? 0;
    if (count) {
      const badge = element("span", "badge", count);
      badge.title = count === 1 ? "1 person" : `${count} people`;
      link.append(badge);
    }
    row.append(link);
    return row;
  });
  const list = byId("rooms");
  const focused = list.contains(document.activeElement) && document.activeElement.hash;
  list.replaceChildren(...rows);
  if (focused) list.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
}

function showTyping() {
  const names = [...typing.keys()];
  const verb = names.length === 1 ? "is" : "are";
  byId("typing").textContent = names.length ? `${several(names)} ${verb} typing…` : "";
}

let ticking = 0;

function showState(state, retryAt) {
  clearInterval(ticking);
  const status = byId("status");
  const words = { open: "Connected", connecting: "Connecting…", waiting: "Not connected" };
  status.dataset.state = state;
  status.lastElementChild.textContent = words[state];
  if (state === "open") byId("trouble").hidden = true;
  if (state === "connecting") byId("trouble-what").textContent = "Connecting again…";
  if (state !== "waiting") return;
  const count = () => {
    const seconds = Math.max(1, Math.ceil((retryAt - Date.now()) / 1000));
    byId("trouble-what").textContent = `The connection is lost. Trying again in ${seconds}\u00a0s.`;
  };
  count();
  ticking = setInterval(count, 1000);
  byId("trouble").hidden = false;
}

function showMe() {
  byId("my-name").textContent = name;
  byId("rename").setAttribute("aria-label", `Change your name, ${name}`);
  avatar(name, byId("my-avatar"));
}

// --- Names, of people and rooms ------------------------------------------------------------------------

function cleanName(text) {
  return [...text.normalize("NFC").trim().replace(/\s+/g, " ")].slice(0, 24).join("").trim();
}

function cleanRoom(text) {
  const slug = text.normalize("NFC").trim().toLowerCase().replace(/[^\p{L}\p{N}_]+/gu, "-");
  return [...slug.replace(/^-+|-+$/g, "")].slice(0, 32).join("") || LOBBY;
}

function roomOfAddress() {
  try {
    return cleanRoom(decodeURIComponent(location.hash.slice(1)));
  } catch {
    return LOBBY;
  }
}

function remember(room) {
  const others = lasting.get("rooms", []).filter((each) => each !== room);
  lasting.set("rooms", [room, ...others].slice(0, ROOMS_REMEMBERED));
}

function suggestion() {
  const pick = (words) => words[Math.floor(Math.random() * words.length)];
  const manner = pick(["Amber", "Brave", "Calm", "Clever", "Curious", "Gentle", "Merry", "Quiet", "Swift"]);
  const animal = pick(["Badger", "Finch", "Fox", "Hare", "Heron", "Lynx", "Otter", "Owl", "Robin", "Wren"]);
  return `${manner} ${animal}`;
}

function askName() {
  const field = byId("name");
  field.value = name || suggestion();
  byId("naming").showModal();
  field.select();
}

// --- The controls --------------------------------------------------------------------------------------

function openDrawer(open) {
  document.body.classList.toggle("drawer", open);
  byId("menu").setAttribute("aria-expanded", open);
  byId("sidebar").inert = narrow.matches && !open;
  byId("main").inert = narrow.matches && open;
}

function focusComposer() {
  // On a phone this would raise the keyboard over what there is to read.
  if (matchMedia("(pointer: fine)").matches) byId("text").focus();
}

function fitComposer() {
  const { style } = byId("text");
  style.height = "auto";
  style.height = `${byId("text").scrollHeight}px`;
}

byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = byId("text");
  const text = field.value.trim();
  if (!text) return;
  say(text);
  field.value = "";
  saidTyping = 0;
  fitComposer();
  field.focus();
});

byId("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  byId("composer").requestSubmit();
});

let saidTyping = 0;

byId("text").addEventListener("input", ({ target }) => {
  fitComposer();
  if (!target.value.trim() || !welcomed || !connection.isOpen) return;
  if (Date.now() - saidTyping < TYPING_SAID_EVERY) return;
  saidTyping = Date.now();
  connection.send({ type: "typing" });
});

byId("open-room").addEventListener("submit", (event) => {
  event.preventDefault();
  const wanted = cleanRoom(event.target.elements.room.value);
  event.target.reset();
  location.hash = encodeURIComponent(wanted);
  if (wanted === room) openDrawer(false);
});

byId("naming").addEventListener("cancel", (event) => {
  if (!name) event.preventDefault();
});

byId("naming").querySelector("form").addEventListener("submit", () => {
  const chosen = cleanName(byId("name").value);
  if (chosen === name) return;
  name = chosen;
  lasting.set("name", name);
  showMe();
  enter(roomOfAddress());
});

byId("naming").addEventListener("close", () => {
  if (!name) return askName();
  openDrawer(false);
  focusComposer();
});

byId("rename").addEventListener("click", askName);
byId("try-now").addEventListener("click", () => connection.retry());
byId("backdrop").addEventListener("click", () => openDrawer(false));
byId("menu").addEventListener("click", () => {
  openDrawer(true);
  byId("rooms").querySelector("[aria-current]")?.focus();
});

document.addEventListener("keydown", ({ key }) => {
  if (key !== "Escape" || !document.body.classList.contains("drawer")) return;
  openDrawer(false);
  byId("menu").focus();
});

addEventListener("hashchange", () => {
  openDrawer(false);
  if (name && roomOfAddress() !== room) enter(roomOfAddress());
  focusComposer();
});

narrow.addEventListener("change", () => openDrawer(false));
openDrawer(false);

if (name) {
  showMe();
  enter(roomOfAddress());
  focusComposer();
} else {
  byId("title").textContent = roomOfAddress();
  askName();
}
