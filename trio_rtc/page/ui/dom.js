// Small helpers for the page's elements.

export const $ = (id) => document.getElementById(id);

/** An element with properties and children. */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Tell the user something; errors stay until they are dismissed. */
export function notify(text, kind = "info") {
  const close = element("button", { type: "button", textContent: "Dismiss" });
  const notice = element("div", { className: "notice" }, element("span", { textContent: text }), close);
  notice.dataset.kind = kind;
  const dismiss = () => {
    // Who is on the button goes on with the page.
    if (notice.contains(document.activeElement)) $("main").focus();
    notice.remove();
  };
  close.addEventListener("click", dismiss);
  if (kind !== "error") setTimeout(dismiss, 8000);
  const notices = $("notices");
  notices.append(notice);
  while (notices.childElementCount > 3) notices.firstElementChild.remove();
}

export function clearNotices() {
  $("notices").replaceChildren();
}

/** Text that came from elsewhere, for a place that is not large. */
export function bytes(count) {
  if (count < 1000) return `${count} bytes`;
  return count < 1e6 ? `${(count / 1e3).toFixed(1)} kB` : `${(count / 1e6).toFixed(1)} MB`;
}
