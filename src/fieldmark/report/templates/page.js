"use strict";

// A click on a header sorts its table; what has no value stays last, either way.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const headers = [...table.tHead.rows[0].cells];
  const value = (row, k) => row.cells[k].dataset.value ?? row.cells[k].textContent.trim();
  headers.forEach((header, k) => header.querySelector("button").addEventListener("click", () => {
    const words = header.classList.contains("text");
    const down = header.getAttribute("aria-sort") === "ascending";
    const order = (a, b) => {
      const [x, y] = [value(a, k), value(b, k)];
      if (x === "" || y === "") return (x === "") - (y === "");
      const rising = words ? x.localeCompare(y, undefined, { numeric: true }) : x - y;
      return down ? -rising : rising;
    };
    body.append(...[...body.rows].sort(order));
    headers.forEach((other) => other.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
  }));
}

for (const button of document.querySelectorAll("button[data-copies]")) {
  const source = document.getElementById(button.dataset.copies);
  const mark = () => getSelection().selectAllChildren(source);
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      mark(); // no right to the clipboard: one key press is left to the reader
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
}

// On paper nothing can be unfolded.
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
