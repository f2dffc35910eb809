// The theme: the system's own, unless the user says otherwise.

import { remember, remembered } from "./remembered.js";

const THEMES = ["auto", "light", "dark"];

export function setUpTheme(button) {
  let theme = remembered("theme", "auto");
  if (!THEMES.includes(theme)) theme = "auto";
  show(button, theme);
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    show(button, theme);
    remember("theme", theme);
  });
}

function show(button, theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  button.textContent = `Theme: ${theme}`;
}
