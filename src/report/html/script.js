
"use strict";
(() => {
  const table = document.querySelector("table.users");
  const bar = document.querySelector(".filter");
  if (!table || !bar) return;
  const [text, state, sort] = ["text", "state", "sort"].map((name) => bar.querySelector(`[name=${name}]`));
  const count = bar.querySelector("output");
  const groups = [...table.tBodies];
  const heads = [...table.tHead.rows[0].cells];
  const names = heads.map((head) => head.textContent);
  const numeric = new Set(["age", "last used"]);
  const cell = (group, column) => group.rows[0].cells[column];

  function filter() {
    const wanted = text.value.trim().toLowerCase();
    let shown = 0;
    for (const group of groups) {
      const fits = group.textContent.toLowerCase().includes(wanted)
        && (!state.value || cell(group, 1).textContent === state.value);
      group.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    count.textContent = `${shown} of ${groups.length} users`;
  }

  // Numbers descend, since the oldest is the worst; a key that was never used comes first.
  function value(group, column) {
    // The columns of the keys come after those of the user, which span the rows.
    const found = cell(group, column);
    if (!numeric.has(names[column])) return found.textContent;
    const number = parseFloat(found.dataset.v ?? found.textContent);
    return Number.isNaN(number) ? (found.textContent ? Infinity : -1) : number;
  }

  function order() {
    const column = names.indexOf(sort.value);
    const sorted = column < 0 ? groups : [...groups].sort((a, b) => {
      const [x, y] = [value(a, column), value(b, column)];
      if (numeric.has(names[column])) return x === y ? 0 : y - x;
      return (x === "") - (y === "") || x.localeCompare(y);
    });
    table.append(...sorted);
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    if (column >= 0) heads[column].setAttribute("aria-sort", numeric.has(names[column]) ? "descending" : "ascending");
  }

  for (const name of ["worst first", ...names]) sort.add(new Option(name));
  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = names[at];
    button.addEventListener("click", () => { sort.value = names[at]; order(); });
    head.replaceChildren(button);
  });
  text.addEventListener("input", filter);
  state.addEventListener("change", filter);
  sort.addEventListener("change", order);
  bar.hidden = false;
  filter();
})();
