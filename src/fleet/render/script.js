"use strict";
for (const filter of document.querySelectorAll(".filter")) {
  const lines = [...filter.parentElement.querySelectorAll("[data-state]")];
  const folds = [...filter.parentElement.querySelectorAll(".fold")];
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
    // A fold shows what the filter has found in it, and is closed again without a filter.
    for (const fold of folds) {
      const isFiltered = words !== "" || state.value !== "";
      const hits = fold.querySelectorAll("[data-state]:not([hidden])").length;
      fold.hidden = hits === 0;
      if (isFiltered || fold.dataset.filtered) fold.open = isFiltered && hits > 0;
      fold.dataset.filtered = isFiltered ? "1" : "";
    }
    shown.value = `${count} of ${lines.length}`;
  };
  text.addEventListener("input", update);
  state.addEventListener("change", update);
  filter.hidden = false;
  update();
}
