"use strict";
for (const filter of document.querySelectorAll(".filter")) {
  const lines = [...filter.parentElement.querySelectorAll(":scope > details")];
  const text = filter.querySelector("input");
  const state = filter.querySelector("select");
  const shown = filter.querySelector("output");
  const update = () => {
    const words = text.value.toLowerCase();
    let count = 0;
    for (const line of lines) {
      const fits = (!state.value || line.dataset.state === state.value) &&
        (!words || line.textContent.toLowerCase().includes(words));
      line.hidden = !fits;
      count += fits ? 1 : 0;
    }
    shown.value = `${count} of ${lines.length}`;
  };
  text.addEventListener("input", update);
  state.addEventListener("change", update);
  filter.hidden = false;
  update();
}
