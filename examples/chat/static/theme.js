// Light or dark: as the system has it, until the button says otherwise. Not a module: it runs before the
// page is painted, so that nothing flashes.

(() => {
  const KEY = "antiphon-chat.theme";
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");

  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);

  const show = () => {
    const button = document.getElementById("theme");
    button.setAttribute("aria-pressed", isDark());
    button.title = isDark() ? "Switch to light" : "Switch to dark";
  };

  const toggle = () => {
    const theme = isDark() ? "light" : "dark";
    const sameAsSystem = (theme === "dark") === system.matches;
    if (sameAsSystem) delete root.dataset.theme;
    else root.dataset.theme = theme;
    try {
      if (sameAsSystem) localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, theme);
    } catch {
      // A browser that stores nothing forgets the choice with the page.
    }
    show();
  };

  try {
    const stored = localStorage.getItem(KEY);
    if (stored === "light" || stored === "dark") root.dataset.theme = stored;
  } catch {
    // The system's choice it is.
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme").addEventListener("click", toggle);
    system.addEventListener("change", show);
    show();
  });
})();
