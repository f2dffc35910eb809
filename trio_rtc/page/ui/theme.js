// The theme: the system's own, unless the user says otherwise.

const THEMES = ["auto", "light", "dark"];
const KEY = "trio-rtc-theme";

export function setUpTheme(button) {
  let theme = "auto";
  try {
    theme = localStorage.getItem(KEY) ?? "auto";
  } catch {
    // Nothing may be kept here: then the choice lasts as long as the page.
  }
  show(button, theme);
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    show(button, theme);
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // As above.
    }
  });
}

function show(button, theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  button.textContent = `Theme: ${theme}`;
}
