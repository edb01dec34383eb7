// What the browser remembers, under names of our own. A browser that refuses remembers nothing; the chat
// works all the same.

const PREFIX = "antiphon-chat.";

class Store {
  #area;

  /** @param {() => Storage} area Asked for late: a browser may refuse already here. */
  constructor(area) {
    try {
      this.#area = area();
    } catch {
      this.#area = null;
    }
  }

  get(name, otherwise = null) {
    try {
      return JSON.parse(this.#area.getItem(PREFIX + name)) ?? otherwise;
    } catch {
      return otherwise;
    }
  }

  set(name, value) {
    try {
      this.#area.setItem(PREFIX + name, JSON.stringify(value));
    } catch {
      // Full, or refused.
    }
  }
}

/** For all pages, for good: the name, the rooms visited. */
export const lasting = new Store(() => localStorage);

/** For this page and its reloads: what waits to be sent. */
export const passing = new Store(() => sessionStorage);
