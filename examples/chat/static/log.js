// The conversation on the page: messages, notices, days, the mark of what is new. All text goes in as text.

const MOST = 500;
const GROUPED_WITHIN = 5 * 60;
const NEAR = 60;

const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const precise = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const listing = new Intl.ListFormat("en", { type: "conjunction" });

export class Log {
  #scroller = document.getElementById("scroller");
  #log = document.getElementById("log");
  #outbox = document.getElementById("outbox");
  #latest = document.getElementById("latest");
  #ids = new Map();
  #atEnd = true;
  #mark = null;
  #onUnread;
  unread = 0;

  /** @param {(count: number) => void} onUnread Told whenever the number of unread messages changes. */
  constructor(onUnread) {
    this.#onUnread = onUnread;
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    document.addEventListener("visibilitychange", () => this.#read());
    this.#latest.addEventListener("click", () => this.toEnd());
    // The keyboard of a phone, a growing composer: whoever was at the end stays there.
    new ResizeObserver(() => this.#atEnd && this.toEnd()).observe(this.#scroller);
  }

  /** Begin anew, for another room. */
  clear() {
    this.#log.replaceChildren();
    this.#outbox.replaceChildren();
    this.#ids.clear();
    this.#mark = null;
    this.#atEnd = true;
    this.#count(0);
  }

  /** Show what was said, once, however often it arrives; `live` when it happens before our eyes. */
  say(said, { own, live }) {
    this.#confirm(said.id);
    if (this.#ids.has(said.id)) return;
    if (live && !own && !this.#beingRead) this.#markNew();
    this.#day(said.time);
    const element = message(said, own);
    element.classList.toggle("first", !continues(this.#log.lastElementChild, element));
    this.#ids.set(said.id, element);
    this.#append(element);
    if (own && live) this.toEnd();
  }

  /** Show what waits to be sent. */
  queue(said) {
    const element = message({ ...said, time: Date.now() / 1000 }, true);
    element.classList.add("queued");
    const last = this.#outbox.lastElementChild ?? this.#log.lastElementChild;
    element.classList.toggle("first", !continues(last, element));
    this.#outbox.append(element);
    this.#unmark();
    this.toEnd();
  }

  /** Say of what waits that it will never be sent. */
  refuse(id) {
    this.#queued(id)?.classList.add("refused");
  }

  /** Note that somebody came or went; who returns at once is not worth a word. */
  presence(name, change) {
    const last = this.#log.lastElementChild;
    const notice = last?.changes ? last : element("p", "notice");
    const changes = (notice.changes ??= new Map());
    if (changes.has(name) && changes.get(name) !== change) changes.delete(name);
    else changes.set(name, change);
    const named = (kind) => [...changes.keys()].filter((each) => changes.get(each) === kind);
    const parts = ["joined", "left"].filter((kind) => named(kind).length);
    notice.textContent = parts.map((kind) => `${several(named(kind))} ${kind}`).join(" · ");
    if (changes.size) this.#append(notice);
    else notice.remove();
  }

  /** Note that what was said between the last message and the next cannot be had any more. */
  gap() {
    if (this.#log.lastElementChild?.className === "gap") return;
    this.#append(element("p", "gap", "Messages may be missing here"));
  }

  /** Go to the newest message. */
  toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#atEnd = true;
    this.#read();
  }

  get isEmpty() {
    return !this.#log.childElementCount && !this.#outbox.childElementCount;
  }

  get #beingRead() {
    return this.#atEnd && document.visibilityState === "visible";
  }

  #append(element) {
    const follow = this.#atEnd;
    this.#log.append(element);
    while (this.#log.childElementCount > MOST) {
      this.#ids.delete(this.#log.firstElementChild.dataset.id);
      this.#log.firstElementChild.remove();
    }
    if (follow) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #confirm(id) {
    this.#queued(id)?.remove();
  }

  #queued(id) {
    return [...this.#outbox.children].find((each) => each.dataset.id === id);
  }

  #day(time) {
    const last = [...this.#log.children].findLast((each) => each.dataset.time);
    const day = dayOf(time);
    if (last && dayOf(last.dataset.time) === day) return;
    this.#append(element("p", "day", day));
  }

  #markNew() {
    if (!this.unread) {
      this.#unmark();
      this.#mark = element("p", "mark", "New");
      this.#append(this.#mark);
    }
    this.#count(this.unread + 1);
  }

  #unmark() {
    this.#mark?.remove();
    this.#mark = null;
  }

  #read() {
    if (this.unread && this.#beingRead) this.#count(0);
    this.#showLatest();
  }

  #count(unread) {
    this.unread = unread;
    this.#showLatest();
    this.#onUnread(unread);
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    this.#atEnd = scrollHeight - scrollTop - clientHeight < NEAR;
    this.#read();
  }

  #showLatest() {
    this.#latest.hidden = this.#atEnd;
    this.#latest.lastElementChild.textContent = this.unread ? `${this.unread} new` : "Latest";
  }
}

/** Make an element with a class and a text. */
export function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/** Make a person's picture: the first letter on a colour of their own. */
export function avatar(name, made = element("span", "avatar")) {
  let hue = 7;
  for (const character of name) hue = (hue * 31 + character.codePointAt(0)) % 360;
  made.textContent = [...name][0]?.toUpperCase() ?? "";
  made.style.setProperty("--hue", hue);
  made.setAttribute("aria-hidden", "true");
  return made;
}

/** Names as people list them, and no more than a line can hold. */
export function several(names) {
  return listing.format(names.length > 3 ? [...names.slice(0, 2), `${names.length - 2} others`] : names);
}

function message({ id, name, text, time }, own) {
  const made = element("article", own ? "message own" : "message");
  Object.assign(made.dataset, { id, name, time });
  const date = new Date(time * 1000);
  const head = element("header", "");
  const when = element("time", "", clock.format(date));
  when.dateTime = date.toISOString();
  head.append(element("bdi", "name", name), when);
  const words = element("p", "text");
  words.dir = "auto";
  words.title = precise.format(date);
  words.append(...linked(text));
  made.append(avatar(name), head, words);
  return made;
}

/** Does a message go on where the one before it ended? */
function continues(before, { dataset: { name, time } }) {
  return before?.dataset.name === name && time - before.dataset.time < GROUPED_WITHIN;
}

/** A text as nodes: plain text, and links where it names web pages. */
function* linked(text) {
  let end = 0;
  for (const { 0: found, index } of text.matchAll(/https?:\/\/[^\s<>"]*[^\s<>".,;:!?)\]']/gi)) {
    yield text.slice(end, index);
    const link = element("a", "", found);
    Object.assign(link, { href: found, target: "_blank", rel: "noopener noreferrer" });
    yield link;
    end = index + found.length;
  }
  yield text.slice(end);
}

function dayOf(time) {
  const date = new Date(time * 1000);
  const yesterday = new Date();
  if (date.toDateString() === yesterday.toDateString()) return "Today";
  yesterday.setDate(yesterday.getDate() - 1);
  return date.toDateString() === yesterday.toDateString() ? "Yesterday" : calendar.format(date);
}
