"use strict";

// A click on a header sorts its table; what has no value stays last, either way.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const headers = [...table.tHead.rows[0].cells];
  const value = (row, k) => row.cells[k].dataset.value ?? row.cells[k].textContent.trim();
  headers.forEach((header, k) => header.querySelector("button")?.addEventListener("click", () => {
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

// A link into a folded section unfolds it.
const unfold = (address) => {
  const section = document.getElementById(address.slice(1))?.closest("details");
  if (section) section.open = true;
};
unfold(location.hash);
for (const link of document.querySelectorAll('a[href^="#"]')) {
  link.addEventListener("click", () => unfold(link.hash));
}

for (const button of document.querySelectorAll("button[data-folds]")) {
  const sections = [...document.querySelectorAll("details.section")];
  const rename = () => {
    button.textContent = sections.some((each) => each.open) ? "Fold all" : "Open all";
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    const open = !sections.some((each) => each.open);
    sections.forEach((each) => { each.open = open; });
    rename();
  });
  sections.forEach((each) => each.addEventListener("toggle", rename));
}

// The section that is read is marked in the contents.
const links = new Map([...document.querySelectorAll(".contents a")].map((a) => [a.hash, a]));
const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const link = links.get(`#${target.id}`);
    if (isIntersecting) link?.setAttribute("aria-current", "true");
    else link?.removeAttribute("aria-current");
  }
}, { rootMargin: "-20% 0px -79% 0px" });
for (const section of document.querySelectorAll("details.section")) seen.observe(section);

// Pictures enlarge; the arrow keys go on through those of the same section.
const dialog = document.querySelector("dialog.large");
const figure = dialog.querySelector("figure");
let shown = null;
const neighbours = () => {
  const section = shown.closest("details.section, .answers");
  return [...section.querySelectorAll("button.zoom")].filter((each) => each.offsetParent);
};
const enlarge = (button) => {
  shown = button;
  const all = neighbours();
  const image = button.querySelector("img").cloneNode();
  const caption = document.createElement("figcaption");
  caption.textContent = button.title;
  figure.replaceChildren(image, caption);
  dialog.querySelector("span").textContent = `${all.indexOf(button) + 1} of ${all.length}`;
  for (const step of dialog.querySelectorAll("[data-step]")) step.hidden = all.length < 2;
  if (!dialog.open) dialog.showModal();
};
const go = (step) => {
  const all = neighbours();
  enlarge(all[(all.indexOf(shown) + step + all.length) % all.length]);
};
for (const button of document.querySelectorAll("button.zoom")) {
  button.addEventListener("click", () => enlarge(button));
}
dialog.addEventListener("click", ({ target }) => {
  const step = target.dataset.step;
  if (step) go(Number(step));
  else if (target.tagName !== "FIGCAPTION") dialog.close();
});
dialog.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step) return;
  event.preventDefault();
  go(step);
});
dialog.addEventListener("close", () => shown.focus());

// On paper nothing can be unfolded.
const paper = matchMedia("print");
const folded = [];
const openAll = () => {
  folded.push(...document.querySelectorAll("details:not([open])"));
  for (const details of folded) details.open = true;
};
const foldAgain = () => {
  for (const details of folded.splice(0)) details.open = false;
};
paper.addEventListener("change", () => (paper.matches ? openAll() : foldAgain()));
addEventListener("beforeprint", openAll); // saving as PDF changes no medium beforehand
addEventListener("afterprint", foldAgain);
