
// Pictures that are dropped go to the server a few at a time; each card is filled when its answer is there.
{
  const drop = document.querySelector(".drop");
  const input = drop.querySelector("input");
  const list = document.querySelector(".answers");
  const card = document.getElementById("answer").content;
  const tools = document.querySelector(".tools");
  const status = tools.querySelector("p");
  const token = document.getElementById("token");
  const most = Math.min(8, Number(drop.dataset.images)); // at once, so that answers come soon
  const shown = 480; // px of a picture on the page
  const least = 0.001; // a score that is shown beside the highest
  const side = 2; // requests at a time
  let waiting = [];
  let rows = [];
  let running = 0;
  let round = 0; // what was cleared answers to nobody

  for (const each of document.querySelectorAll("[data-address]")) each.textContent = location.origin;
  token?.form.addEventListener("submit", (event) => event.preventDefault());

  const percent = (score) => { // as in the reports: only 1 reads 100 %
    for (let digits = 1; digits < 5; digits += 1) {
      const words = (100 * score).toFixed(digits);
      if (Number(words) !== 0 && Number(words) !== 100) return `${words} %`;
    }
    return `${(100 * score).toFixed(0)} %`;
  };
  const text = (parent, kind, words, name = "") => {
    const made = document.createElement(kind);
    made.textContent = words;
    made.className = name;
    parent.append(made);
    return made;
  };
  const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

  const tell = (words = "") => {
    const failed = rows.filter((row) => row.error).length;
    const without = rows.filter((row) => !row.error && !named(row)).length;
    const left = list.children.length - rows.length;
    tools.hidden = !list.children.length;
    status.textContent = words || [
      left ? `${count(left, "photo")} to go` : `${count(rows.length, "photo")} done`,
      without ? `${without} without a label` : "",
      failed ? `${failed} without an answer` : "",
    ].filter(Boolean).join(", ");
  };
  const named = (row) => (row.labels ? row.labels.join(", ") : row.label ?? "");

  const draw = async (item, file) => { // small, so that a thousand photos fit
    try {
      const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
      const scale = Math.min(1, shown / Math.max(bitmap.width, bitmap.height));
      const canvas = document.createElement("canvas");
      canvas.width = Math.max(1, Math.round(bitmap.width * scale));
      canvas.height = Math.max(1, Math.round(bitmap.height * scale));
      canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
      bitmap.close();
      const button = text(item.querySelector(".looks"), "button", "", "zoom");
      button.type = "button";
      button.title = file.name;
      const ratio = canvas.width / canvas.height;
      const image = document.createElement("img");
      image.src = canvas.toDataURL("image/jpeg", 0.85);
      image.alt = file.name;
      for (const each of [button, image]) each.style.setProperty("--r", ratio.toFixed(3));
      if (Math.max(canvas.width, canvas.height) < 96) image.className = "small";
      button.append(image);
      button.addEventListener("click", () => enlarge(button));
    } catch {
      item.querySelector(".looks").textContent = "this browser does not show it";
    }
  };

  const fill = (item, row) => {
    rows.push(row);
    item.classList.remove("waiting");
    const label = item.querySelector(".label");
    const name = item.querySelector(".file");
    label.textContent = (named(row) || (row.error ? "no answer" : "not sure")).replaceAll("_", "_\u200b");
    label.classList.toggle("none", !named(row));
    if (row.reason === "unlike the training images") label.textContent = "unlike the training images";
    else if (row.unlike) text(item, "p", "unlike the training images", "file why");
    for (const { label: likely, score } of row.top.filter((each, k) => !k || each.score >= least)) {
      const line = document.createElement("div");
      const given = row.labels ? row.labels.includes(likely) : row.label === likely;
      line.className = given || !named(row) ? "right first" : "right";
      line.style.setProperty("--at", score);
      text(line, "dt", likely).title = likely;
      text(line, "dd", percent(score), "score");
      item.querySelector("dl").append(line);
    }
    if (row.error) {
      name.classList.add("why");
      name.textContent = row.error;
    }
  };

  const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));
  const ask = async (batch) => {
    const form = new FormData();
    for (const { file } of batch) {
      form.append("files", file, file.name);
      if ("captions" in drop.dataset) form.append("caption", file.name.replace(/\.\w+$/, ""));
    }
    const headers = token ? { Authorization: `Bearer ${token.value.trim()}` } : {};
    const response = await fetch("predict", { method: "POST", body: form, headers });
    if (response.status === 429) { // busy: wait as long as it says
      await pause(Number(response.headers.get("Retry-After")) || 1);
      return ask(batch);
    }
    const answer = await response.json();
    if (answer.answers) return answer.answers;
    throw new Error(answer.error);
  };

  const next = () => {
    const batch = [];
    let bytes = 0;
    while (waiting.length && batch.length < most) {
      bytes += waiting[0].file.size;
      if (batch.length && bytes > 0.9 * Number(drop.dataset.bytes)) break;
      batch.push(waiting.shift());
    }
    return batch;
  };
  const go = async () => {
    running += 1;
    while (waiting.length) {
      const batch = next();
      const mine = round;
      let answers;
      try {
        answers = await ask(batch);
      } catch (error) {
        const words = error instanceof TypeError ? "the server cannot be reached" : error.message;
        answers = batch.map(({ file }) => ({ image: file.name, score: null, top: [], error: words }));
      }
      if (mine !== round) continue; // what was dropped since is still to go
      batch.forEach(({ item }, place) => fill(item, answers[place]));
      tell();
    }
    running -= 1;
  };

  const take = async (files) => {
    if (token && !token.value.trim()) {
      token.focus();
      tools.hidden = false;
      status.textContent = "Type the token first.";
      return;
    }
    const mine = round;
    const items = files.map((file) => {
      const item = card.cloneNode(true).firstElementChild;
      item.classList.add("waiting");
      item.querySelector(".label").textContent = "…";
      item.querySelector(".file").textContent = file.name;
      item.querySelector(".file").title = file.name;
      list.append(item);
      waiting.push({ file, item });
      return item;
    });
    tell();
    for (let k = running; k < side; k += 1) go();
    for (const [k, item] of items.entries()) {
      await draw(item, files[k]);
      if (mine !== round) return;
    }
  };

  input.addEventListener("change", () => {
    take([...input.files]);
    input.value = "";
  });
  for (const name of ["dragover", "dragenter"]) {
    addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) drop.classList.remove("over");
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    take([...event.dataTransfer.files]);
  });
  addEventListener("paste", (event) => take([...event.clipboardData.files]));

  tools.querySelector("[data-save]").addEventListener("click", () => {
    const several = rows.some((row) => row.labels);
    const head = ["image", several ? "labels" : "label", "score", "reason", "error"];
    saveCsv("labels.csv", [head, ...rows.map((row) => [
      row.image, several ? (row.labels ?? []).join("|") : row.label, row.score, row.reason, row.error,
    ])]);
  });
  tools.querySelector("[data-clear]").addEventListener("click", () => {
    round += 1;
    waiting = [];
    rows = [];
    list.replaceChildren();
    tell();
  });
}
