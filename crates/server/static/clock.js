// The clock of a developer's server: it ticks, and the list of where to set it becomes a slider over the same stops.

import { element, moment, now } from "./page.js";

const shown = document.querySelector(".clock summary time");
setInterval(() => { shown.textContent = moment(Math.floor(now())); }, 1000);

const list = document.getElementById("clock-offset");
const slider = element("input", { type: "range", id: list.id, min: 0, max: list.length - 1, value: list.selectedIndex });
const output = element("output", { for: list.id });
const tell = () => {
  list.selectedIndex = slider.value;
  output.textContent = list.selectedOptions[0].textContent;
  slider.setAttribute("aria-valuetext", output.textContent);
};
slider.addEventListener("input", tell);
list.removeAttribute("id");
list.hidden = true;
list.after(slider, output);
tell();
