const BLOCKS = ["runtime", "engine", "wasm", "graph", "weights"];
const blockText = (name) => document.getElementById(`block-${name}`).textContent;
const facts = JSON.parse(blockText("facts"));
const part = (name) => document.querySelector(`[data-part="${name}"]`);
const percents = (score) => {
  const text = (100 * score).toFixed(1);
  return text === "100.0" && score < 1 ? "> 99.9 %" : text === "0.0" && score > 0 ? "< 0.1 %" : `${text} %`;
};
const photosOf = (number, what = "photo") => `${number} ${what}${number === 1 ? "" : "s"}`;
const made = (kind, name, text = "") => {
  const element = document.createElement(kind);
  if (name) element.className = name;
  element.textContent = text;
  return element;
};

// The network, in a worker where the browser lets a file have one, else here. What a page made
// by an address of its own is closed to its worker, so that either puts the engine together.
const opened = async ({ runtime, engine, packed }) => {
  const script = (content) => URL.createObjectURL(new Blob([content], { type: "text/javascript" }));
  const bytes = Uint8Array.from(atob(runtime), (each) => each.charCodeAt(0));
  const { start } = await import(script(`import * as ort from "${script(bytes)}";\n${engine}`));
  return start(packed);
};

const inWorker = (parts) => new Promise((ready, failed) => {
  const content = `const opened = ${opened};
    let look;
    onmessage = async ({ data: { parts, file } }) => {
      try {
        if (parts) look = await opened(parts);
        postMessage({ answer: parts ? null : await look(file) });
      } catch (error) {
        postMessage({ wrong: String(error?.message ?? error) });
      }
    };`;
  const address = URL.createObjectURL(new Blob([content], { type: "text/javascript" }));
  const worker = new Worker(address); // Chromium gives a file no worker of type "module"
  const asked = (message) => new Promise((done, wrong) => {
    worker.onmessage = ({ data }) => ("wrong" in data ? wrong(new Error(data.wrong)) : done(data.answer));
    worker.onerror = (event) => wrong(new Error(event.message || "the worker does not start"));
    worker.postMessage(message);
  });
  asked({ parts }).then(() => ready((file) => asked({ file })), (error) => {
    worker.terminate();
    failed(error);
  });
});

const looker = async () => {
  const { runtime, engine, ...rest } = Object.fromEntries(BLOCKS.map((name) => [name, blockText(name)]));
  const parts = { runtime, engine, packed: { ...rest, places: facts.places, side: facts.side } };
  try {
    const look = await inWorker(parts);
    document.body.dataset.where = "worker";
    return look;
  } catch (error) {
    document.body.dataset.where = `page (${error.message})`;
    return opened(parts);
  }
};

// What scores decide, as Fieldmark does.
const decided = (scores) => {
  const order = scores.map((_, k) => k).sort((a, b) => scores[b] - scores[a] || a - b);
  const best = order[0];
  if (!scores.every(Number.isFinite)) return null;
  if (facts.several) {
    const reached = order.filter((k) => scores[k] >= (facts.thresholds?.[k] ?? 0.5));
    return { labels: reached, order, score: scores[best], reason: "" };
  }
  const isSure = facts.least === null || scores[best] >= facts.least;
  return { labels: isSure ? [best] : [], order, score: scores[best], reason: isSure ? "" : "unsure" };
};

// The page's own proof: the pictures that it carries, and the scores that Fieldmark gave them.
const FAR = 0.05;
const checkItself = async (look) => {
  let [largest, others] = [0, 0];
  for (const { jpeg, scores } of facts.pictures) {
    const bytes = Uint8Array.from(atob(jpeg), (each) => each.charCodeAt(0));
    const found = (await look(new Blob([bytes], { type: "image/jpeg" }))).scores;
    const apart = found ? Math.max(...found.map((score, k) => Math.abs(score - scores[k]))) : Infinity;
    largest = Math.max(largest, Number.isNaN(apart) ? Infinity : apart);
    const [here, there] = [found && decided(found), decided(scores)];
    others += String(here?.labels) !== String(there?.labels);
  }
  return { largest, others, number: facts.pictures.length };
};

const tellCheck = ({ largest, others, number }) => {
  const told = part("check");
  const within = Math.max(largest, 1e-4).toPrecision(1);
  const isRight = others === 0 && largest <= FAR;
  told.classList.toggle("wrong", !isRight);
  told.dataset.largest = largest;
  if (number === 0) {
    told.textContent = "This page carries no pictures, so it cannot check itself in this browser.";
  } else if (isRight) {
    told.textContent = `Checked itself on ${photosOf(number, "picture")}: all decided as Fieldmark does, scores within ${within}.`;
  } else {
    const which = others ? `${others} of ${photosOf(number, "picture")} ${others === 1 ? "is" : "are"} decided otherwise than by Fieldmark` : "the decisions are those of Fieldmark";
    told.textContent = `Do not trust the answers in this browser: ${which}, and scores are off by up to ${within}. Try another browser.`;
  }
};

// Photos that were given, in order; each is looked at in turn.
let rows = [];
const waiting = [];
let isLooking = false;
let look = null;

const unreadable = (file) => {
  if (/\.(heic|heif)$/i.test(file.name) || /hei[cf]/.test(file.type)) {
    return "A HEIC photo, which this browser cannot open. Save it as JPEG, or open this page in Safari.";
  }
  return "Cannot be read: damaged, or no kind of picture that this browser opens.";
};

const answerOf = async (file) => {
  try {
    const found = await look(file);
    if (found.unreadable) return { failure: unreadable(file) };
    const answer = decided(found.scores);
    return answer ? { ...answer, ...found } : { failure: "The network gives no finite scores for it." };
  } catch (error) {
    return { failure: `This browser could not look at it (${error.message}).` };
  }
};

const newRow = (file) => {
  const element = made("li", "waits");
  element.append(made("div", "picture"), made("div", "said"));
  element.lastChild.append(made("p", "label", "…"), made("p", "file", file.webkitRelativePath || file.name));
  part("answers").append(element);
  return { file, name: file.webkitRelativePath || file.name, element, answer: null };
};

const bars = ({ order, scores, labels }) => {
  const list = made("ol", "likeliest");
  for (const k of order.filter((k, place) => place < 3 || labels.includes(k))) {
    const line = made("li");
    const bar = made("span", "bar");
    bar.append(made("i"));
    bar.firstChild.style.setProperty("--n", scores[k]);
    line.append(made("span", "class", facts.classes[k]), bar, made("span", "number", percents(scores[k])));
    list.append(line);
  }
  return list;
};

const labelOf = ({ labels, order, reason }) => {
  if (labels.length) return labels.map((k) => facts.classes[k]).join(", ");
  return reason ? `Not sure: ${facts.classes[order[0]]}?` : "None of the labels";
};

const showThumb = (row) => {
  const { thumb, ratio } = row.answer;
  const button = made("button", "zoom");
  const image = made("img");
  image.src = URL.createObjectURL(thumb);
  image.alt = "";
  image.style.setProperty("--r", ratio);
  button.type = "button";
  button.title = `${labelOf(row.answer)} (${percents(row.answer.score)}): ${row.name}`;
  button.setAttribute("aria-label", `Enlarge ${row.name}`);
  button.append(image);
  button.addEventListener("click", () => {
    enlarge(button);
    const large = document.querySelector("dialog.large img");
    large.src = URL.createObjectURL(row.file);
    large.onload = () => URL.revokeObjectURL(large.src);
  });
  row.element.firstChild.replaceChildren(button);
};

const show = (row) => {
  const { answer, element } = row;
  const said = element.lastChild;
  element.className = answer.failure ? "failed" : answer.labels.length ? "" : "unsure";
  if (answer.failure) {
    said.firstChild.textContent = answer.failure;
    return;
  }
  said.firstChild.textContent = labelOf(answer);
  if (answer.labels.length === 1) said.firstChild.append(made("span", "score", percents(answer.score)));
  said.after(bars(answer));
  showThumb(row);
};

const tell = () => {
  const done = rows.filter((row) => row.answer);
  const failed = done.filter((row) => row.answer.failure).length;
  const without = done.filter((row) => row.answer.labels?.length === 0).length;
  const counts = new Map();
  for (const row of done) for (const k of row.answer.labels ?? []) counts.set(k, (counts.get(k) ?? 0) + 1);
  const named = [...counts].sort((a, b) => b[1] - a[1]).map(([k, n]) => `${n} × ${facts.classes[k]}`);
  if (without) named.push(`${without} ${facts.several ? "without a label" : "not sure"}`);
  if (failed) named.push(`${failed} that cannot be read`);
  part("counts").textContent = named.join(", ");
  const progress = part("progress");
  progress.hidden = done.length === rows.length;
  progress.firstElementChild.value = done.length;
  progress.firstElementChild.max = rows.length;
  progress.lastElementChild.textContent = `${done.length} of ${photosOf(rows.length)}`;
  part("results").hidden = rows.length === 0 && !part("over").textContent;
  part("empty").hidden = rows.length > 0;
  part("save").disabled = done.length < rows.length;
};

const work = async () => {
  if (isLooking || look === null) return;
  isLooking = true;
  while (waiting.length) {
    const row = waiting.shift();
    row.answer = await answerOf(row.file);
    if (rows.includes(row)) show(row);
    tell();
    await new Promise((done) => setTimeout(done)); // the page stays awake where there is no worker
  }
  isLooking = false;
  document.body.dataset.looked = rows.length;
};

// told: what was left out of what was given, in a sentence.
const take = (files, told) => {
  part("over").textContent = told;
  for (const file of files) {
    const row = newRow(file);
    rows.push(row);
    waiting.push(row);
  }
  delete document.body.dataset.looked;
  tell();
  if (files.length) part("results").closest("details").open = true;
  work();
};

const PICTURE = /\.(jpe?g|png|webp|gif|bmp|avif|tiff?|hei[cf]|jp2|ico)$/i;
const takeFolder = (files) => {
  const taken = files.filter((file) => file.type.startsWith("image/") || PICTURE.test(file.name));
  const over = files.length - taken.length;
  const verbs = over === 1 ? ["is", "was"] : ["are", "were"];
  take(taken, over ? `${photosOf(over, "file")} of the folder ${verbs[0]} no picture by name and ${verbs[1]} left out.` : "");
};

for (const input of document.querySelectorAll(".taking input")) {
  input.addEventListener("change", () => {
    const files = [...input.files];
    if (input.webkitdirectory) takeFolder(files);
    else take(files, "");
    input.value = "";
  });
}
addEventListener("dragover", (event) => {
  event.preventDefault();
  part("taking").classList.add("over");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) part("taking").classList.remove("over");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  part("taking").classList.remove("over");
  const items = [...event.dataTransfer.items].filter((item) => item.kind === "file");
  const isFolder = (item) => item.webkitGetAsEntry?.()?.isDirectory ?? false;
  const files = items.filter((item) => !isFolder(item)).map((item) => item.getAsFile());
  take(files, items.some(isFolder) ? "A folder cannot be dropped on a page that is a file: choose it by its button." : "");
});

// The table, as `fieldmark predict --scores` writes it.
const rounded = (score) => String(Number(score.toPrecision(6)));
const table = () => {
  const reasons = facts.least === null ? [] : ["reason"];
  const lines = [["image", facts.several ? "labels" : "label", "score", ...reasons, ...facts.classes.map((name) => `score:${name}`)]];
  for (const { name, answer } of rows) {
    if (!answer || answer.failure) continue;
    const label = answer.labels.map((k) => facts.classes[k]).join("|");
    const why = reasons.length ? [answer.reason] : [];
    lines.push([name, label, rounded(answer.score), ...why, ...answer.scores.map(rounded)]);
  }
  return lines;
};
part("save").addEventListener("click", () => saveCsv("predictions.csv", table()));
part("clear").addEventListener("click", () => {
  for (const image of part("answers").querySelectorAll("img")) URL.revokeObjectURL(image.src);
  rows = [];
  waiting.length = 0;
  part("answers").replaceChildren();
  part("over").textContent = "";
  tell();
});

const begin = async () => {
  const started = performance.now();
  try {
    const found = await looker();
    for (const name of BLOCKS) document.getElementById(`block-${name}`).remove(); // megabytes
    document.body.dataset.started = Math.round(performance.now() - started);
    part("state").textContent = facts.pictures.length ? "Checking itself…" : "";
    tellCheck(await checkItself(found));
    look = found;
    part("state").textContent = "Ready.";
    document.body.dataset.ready = "yes";
    work();
  } catch (error) {
    part("state").textContent = `This browser cannot run the network (${error.message}). Try a newer one.`;
    part("state").classList.add("wrong");
    document.body.dataset.ready = "no";
  }
};
tell();
begin();
