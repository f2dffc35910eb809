// What this browser remembers from one visit to the next.

/** A text that was remembered, if there is one. */
export function remembered(key, otherwise = "") {
  try {
    return localStorage.getItem(`trio-rtc-${key}`) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function remember(key, text) {
  try {
    localStorage.setItem(`trio-rtc-${key}`, text);
  } catch {
    // Nothing may be kept here: then it lasts as long as the page.
  }
}
