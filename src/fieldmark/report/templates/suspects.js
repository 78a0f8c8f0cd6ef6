
// What a person marks: kept in this browser, saved as a file, sent nowhere.
{
  const review = JSON.parse(document.getElementById("review").textContent);
  const groups = [...document.querySelectorAll(".verdict")];
  const bar = document.querySelector(".marks");
  const id = (group) => JSON.stringify([group.dataset.path, group.dataset.row, group.dataset.label]);
  const early = new Map(review.before.map(([path, row, action, label]) => [
    JSON.stringify([path, row, review.several ? label : ""]), { path, row, action, label },
  ]));
  const store = `fieldmark-marks ${review.key}`; // of these images with these labels
  let marks = new Map();
  try {
    marks = new Map(JSON.parse(localStorage.getItem(store) ?? "[]"));
  } catch { /* nothing was kept, or may be */ }

  const show = () => {
    for (const group of groups) {
      const mark = marks.get(id(group));
      for (const radio of group.querySelectorAll("input")) radio.checked = radio.value === mark?.action;
      const select = group.querySelector("select");
      if (select && mark?.action === "label") choose(select, mark.label);
      group.querySelector("[data-undo]").hidden = !mark;
      group.closest("li, .pairs div div")?.classList.toggle("marked", Boolean(mark));
    }
    bar.querySelector("[data-marked]").textContent = marks.size;
    for (const button of bar.querySelectorAll("button")) button.disabled = !marks.size;
    try {
      localStorage.setItem(store, JSON.stringify([...marks]));
    } catch { /* a browser that keeps nothing still saves the file */ }
  };

  const named = new Map(review.classes);
  const option = (value) => new Option(named.get(value) ?? "choose", value);
  const choose = (select, value) => {
    if (![...select.options].some((each) => each.value === value)) select.append(option(value));
    select.value = value;
  };
  const fill = (select) => {
    if (select.options.length > review.classes.length) return;
    const value = select.value;
    select.replaceChildren(option(""), ...review.classes.map(([name]) => option(name)));
    select.value = value;
  };

  for (const group of groups) {
    const select = group.querySelector("select");
    const mark = (action) => {
      const { path, row, label } = group.dataset;
      const chosen = action === "label" ? select.value : label;
      if (action === "label" && !chosen) { fill(select); select.focus(); return; }
      marks.set(id(group), { path, row, action, label: chosen });
      show();
    };
    if (select) {
      choose(select, select.dataset.suggested);
      for (const event of ["focus", "pointerdown"]) select.addEventListener(event, () => fill(select));
      select.addEventListener("change", () => {
        if (select.value) mark("label");
      });
    }
    for (const radio of group.querySelectorAll("input")) {
      radio.addEventListener("change", () => mark(radio.value));
    }
    group.querySelector("[data-undo]").addEventListener("click", () => {
      marks.delete(id(group));
      show();
    });
    group.hidden = false;
  }

  // An image that is removed needs no other line.
  const lines = () => {
    const all = [...new Map([...early, ...marks]).values()];
    const where = (mark) => JSON.stringify([mark.path, mark.row]);
    const removed = new Set(all.filter((mark) => mark.action === "remove").map(where));
    const once = new Map();
    for (const mark of all) {
      const gone = removed.has(where(mark));
      if (gone && mark.action !== "remove") continue;
      once.set(gone ? where(mark) : JSON.stringify([where(mark), mark.label, mark.action]), mark);
    }
    return [...once.values()];
  };
  bar.querySelector("[data-save]").addEventListener("click", () => {
    const rows = lines().map(({ path, row, action, label }) => [path, row, action, action === "remove" ? "" : label]);
    saveCsv("corrections.csv", [["path", "row", "action", "label"], ...rows], /[",;\r\n]|^\s|\s$/);
  });
  bar.querySelector("[data-forget]").addEventListener("click", () => {
    if (confirm(`Forget ${marks.size} marks?`)) marks = new Map();
    show();
  });
  bar.hidden = !groups.length;
  show();
}
