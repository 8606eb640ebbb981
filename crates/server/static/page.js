// What every page does beyond its markup. Without it, each page still works.

const language = document.documentElement.lang;
const units = [["year", 31536000], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

/** How far `seconds` are, in words: "in 4 minutes", "2 hours ago". */
export function distance(seconds) {
  const [unit, length] = units.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
  const words = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  return words.format(Math.trunc(seconds / length), unit);
}

/** A time in seconds, as it is written where the visitor is. */
export function moment(seconds) {
  return new Date(seconds * 1000).toLocaleString(language, { dateStyle: "medium", timeStyle: "medium" });
}

/** Makes an element: its name, its attributes, what is in it. Text stays text. */
export function element(name, attributes = {}, ...inside) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value !== false && value != null) made.setAttribute(attribute, value === true ? "" : value);
  }
  made.append(...inside);
  return made;
}

/** The texts of a page's scripts, in the visitor's language, from `data-texts` of an element. */
export function texts(holder) {
  const all = JSON.parse(holder.dataset.texts);
  return (name, values = {}) =>
    Object.entries(values).reduce((text, [key, value]) => text.replaceAll(`{${key}}`, value), all[name]);
}

// Times are written on the server in UTC.
for (const time of document.querySelectorAll("time[datetime]")) {
  const seconds = Date.parse(time.dateTime) / 1000;
  time.title = time.textContent;
  time.textContent = time.hasAttribute("data-distance") ? distance(seconds - Date.now() / 1000) : moment(seconds);
}

// A button that copies the text of the element it names.
for (const button of document.querySelectorAll("button[data-copy]")) {
  const source = document.getElementById(button.dataset.copy);
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(source.textContent.trim());
    const before = button.textContent;
    button.textContent = button.dataset.done;
    setTimeout(() => { button.textContent = before; }, 1500);
  });
}
