
// All pictures on a plane, drawn on a canvas: tens of thousands of dots stay quick.
{
  const { map, classes } = JSON.parse(document.getElementById("review").textContent);
  if (map) {
    const STEPS = 2000, EDGE = 14, NEAR = 18;
    const canvas = document.querySelector(".map canvas");
    const pointed = document.querySelector(".pointed");
    const context = canvas.getContext("2d");
    const doubtful = Object.keys(map.said).map(Number);
    const strange = new Set(map.strange);
    const known = Object.keys(map.places);
    let which = known.includes("near") ? "near" : "principal", alone = null, at = null;
    const style = getComputedStyle(document.documentElement);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const colour = (number) => {
      if (number < 0) return style.getPropertyValue("--faint");
      const hue = (360 * number) / classes.length + 20;
      const light = (dark.matches ? 68 : 46) + (number % 2 ? -8 : 6);
      return `hsl(${hue} 62% ${light}%)`;
    };
    const has = (dot) => (map.labels ? map.labels[dot].includes(alone) : map.classes[dot] === alone);
    const spot = (dot) => {
      const [xs, ys] = map.places[which];
      const width = canvas.clientWidth - 2 * EDGE, height = canvas.clientHeight - 2 * EDGE;
      return [EDGE + (xs[dot] / STEPS) * width, EDGE + (1 - ys[dot] / STEPS) * height];
    };
    const count = map.names.length;
    const radius = count > 5000 ? 1.8 : count > 1000 ? 2.6 : 3.6;
    const draw = () => {
      const scale = devicePixelRatio || 1;
      canvas.width = canvas.clientWidth * scale;
      canvas.height = canvas.clientHeight * scale;
      context.scale(scale, scale);
      for (let dot = 0; dot < count; dot += 1) {
        const [x, y] = spot(dot);
        context.globalAlpha = alone === null || has(dot) ? 0.85 : 0.12;
        context.fillStyle = colour(alone !== null && has(dot) ? alone : map.classes[dot]);
        context.beginPath();
        if (strange.has(dot)) context.rect(x - 1.4 * radius, y - 1.4 * radius, 2.8 * radius, 2.8 * radius);
        else context.arc(x, y, radius, 0, 7);
        context.fill();
      }
      context.lineWidth = 1.6;
      context.strokeStyle = `rgb(${style.getPropertyValue("--wrong")})`;
      for (const dot of doubtful) {
        context.globalAlpha = alone === null || has(dot) ? 1 : 0.2;
        context.beginPath();
        context.arc(...spot(dot), radius + 3, 0, 7);
        context.stroke();
      }
      if (at === null) return;
      context.globalAlpha = 1;
      context.lineWidth = 2.5;
      context.strokeStyle = style.getPropertyValue("--ink");
      context.beginPath();
      context.arc(...spot(at), radius + 6, 0, 7);
      context.stroke();
    };
    const tell = (dot) => {
      if (dot === at) return;
      at = dot;
      const parts = [];
      const say = (tag, text) => {
        const part = document.createElement(tag);
        part.textContent = text;
        parts.push(part);
      };
      if (dot !== null) {
        if (map.thumbs[dot]) {
          const image = new Image();
          image.src = map.thumbs[dot];
          image.alt = map.names[dot];
          parts.push(image);
        } else say("p", "Its picture is not on this page.");
        const own = map.labels ? map.labels[dot] : [map.classes[dot]].filter((each) => each >= 0);
        say("b", own.map((number) => classes[number][1]).join(", ") || "no label");
        say("p", map.names[dot]);
        if (map.said[dot]) say("p", map.said[dot]);
        if (strange.has(dot)) say("p", "unlike all others");
      } else say("p", "Nothing is pointed at.");
      pointed.replaceChildren(...parts);
      draw();
    };
    const nearest = ({ offsetX, offsetY }) => {
      let best = null, least = NEAR ** 2;
      for (let dot = 0; dot < count; dot += 1) {
        if (alone !== null && !has(dot)) continue;
        const [x, y] = spot(dot);
        const far = (x - offsetX) ** 2 + (y - offsetY) ** 2;
        if (far < least) [best, least] = [dot, far];
      }
      return best;
    };
    canvas.addEventListener("pointermove", (event) => {
      const dot = nearest(event);
      if (dot !== null) tell(dot); // the last one stays, so that its picture can be looked at
    });
    canvas.addEventListener("pointerdown", (event) => tell(nearest(event)));
    canvas.addEventListener("focus", () => {
      if (at === null && doubtful.length && canvas.matches(":focus-visible")) tell(doubtful[0]);
    });
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step || !doubtful.length) return;
      event.preventDefault();
      const place = doubtful.indexOf(at);
      tell(doubtful[place < 0 ? 0 : (place + step + doubtful.length) % doubtful.length]);
    });

    const list = document.querySelector(".map .classes");
    const buttons = classes.map(([, name], number) => {
      const button = document.createElement("button");
      const swatch = document.createElement("i");
      button.type = "button";
      button.append(swatch, name);
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => {
        alone = alone === number ? null : number;
        buttons.forEach((each, other) => each.setAttribute("aria-pressed", String(other === alone)));
        draw();
      });
      const line = document.createElement("li");
      line.append(button);
      list.append(line);
      return button;
    });
    const paint = () => {
      buttons.forEach((button, number) => { button.firstChild.style.background = colour(number); });
      draw();
    };

    const group = document.querySelector(".map .which");
    const called = { near: "by neighbours", principal: "by principal directions" };
    if (known.length > 1) {
      group.hidden = false;
      for (const name of known) {
        const label = document.createElement("label");
        const radio = Object.assign(document.createElement("input"), { type: "radio", name: "which-map", checked: name === which });
        radio.addEventListener("change", () => { which = name; draw(); });
        label.append(radio, ` ${called[name]}`);
        group.append(label);
      }
    }
    dark.addEventListener("change", paint);
    new ResizeObserver(draw).observe(canvas);
    paint();
  }
}
