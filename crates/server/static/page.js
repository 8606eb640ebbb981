// What every page does beyond its markup. Without it, each page still works.

// Of the page's language, the kind that the visitor speaks: it writes dates in its own way.
const { lang } = document.documentElement;
const language = navigator.languages.find((tag) => tag.startsWith(lang)) ?? lang;
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

/** The server's time, in seconds: a developer's server may be ahead of the machine, or behind. */
const server = document.querySelector("[data-now]");
const ahead = server ? server.dataset.now - Math.floor(Date.now() / 1000) : 0;
export const now = () => Date.now() / 1000 + (Math.abs(ahead) > 2 ? ahead : 0);

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
  time.textContent = time.hasAttribute("data-distance") ? distance(seconds - now()) : moment(seconds);
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

// A button that shows the password in the field that it names, and hides it again.
for (const button of document.querySelectorAll("button[data-shows]")) {
  const field = document.getElementById(button.dataset.shows);
  button.hidden = false;
  const show = (visible) => {
    field.type = visible ? "text" : "password";
    button.setAttribute("aria-pressed", visible);
  };
  button.addEventListener("click", () => show(field.type === "password"));
  // What a browser keeps of a form, it keeps of fields that are no passwords.
  field.form.addEventListener("submit", () => show(false));
}
