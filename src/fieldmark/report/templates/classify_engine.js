// Looks at photos, in a worker or on the page itself. `ort` is onnxruntime-web.
const unzipped = async (text) => {
  const whole = atob(text);
  const bytes = new Uint8Array(whole.length);
  for (let k = 0; k < whole.length; k++) bytes[k] = whole.charCodeAt(k);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
};

// Weights lie apart from the graph, all first bytes before all second ones.
const assembled = async ({ graph, weights, places }) => {
  const [model, planes] = [await unzipped(graph), await unzipped(weights)];
  const length = planes.length / 4;
  let taken = 0;
  for (const [start, count] of places) {
    for (let plane = 0; plane < 4; plane++) {
      let from = plane * length + taken;
      for (let to = start + 3 - plane, k = 0; k < count; k++, to += 4) model[to] = planes[from++];
    }
    taken += count;
  }
  return model;
};

const canvasOf = (width, height) => {
  if (typeof OffscreenCanvas !== "undefined") return new OffscreenCanvas(width, height);
  return Object.assign(document.createElement("canvas"), { width, height });
};

// Over white, so that what is transparent is seen as it was in the training.
const drawn = (picture, width, height) => {
  const canvas = canvasOf(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(picture, 0, 0, width, height);
  return canvas;
};

// A large photo is halved while it stays twice as large as wanted, as the training decoded it.
const halved = (picture, side) => {
  let [width, height] = [picture.width, picture.height];
  let canvas = null;
  while (Math.min(width, height) >= 4 * side) {
    [width, height] = [Math.round(width / 2), Math.round(height / 2)];
    canvas = drawn(canvas ?? picture, width, height);
  }
  return canvas ?? drawn(picture, width, height);
};

const colours = (canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const rgb = new Uint8Array((data.length / 4) * 3);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    rgb[to++] = data[from];
    rgb[to++] = data[from + 1];
    rgb[to++] = data[from + 2];
  }
  return rgb;
};

const THUMB = 192; // pixels of the longer side
const thumbOf = async (canvas) => {
  const scale = Math.min(1, THUMB / Math.max(canvas.width, canvas.height));
  const [width, height] = [canvas.width, canvas.height].map((each) => Math.max(1, Math.round(each * scale)));
  const small = drawn(canvas, width, height);
  if (small.convertToBlob) return small.convertToBlob({ type: "image/jpeg" });
  return new Promise((done) => small.toBlob(done, "image/jpeg"));
};

export const start = async (packed) => {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = (await unzipped(packed.wasm)).buffer;
  const model = await assembled(packed);
  const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
  // -> {scores, thumb, ratio}, or {unreadable: true} of what this browser cannot open
  return async (file) => {
    let picture;
    try {
      picture = await createImageBitmap(file, { imageOrientation: "from-image" });
    } catch {
      return { unreadable: true };
    }
    const canvas = halved(picture, packed.side);
    picture.close();
    const shape = [1, canvas.height, canvas.width, 3];
    const images = new ort.Tensor("uint8", colours(canvas), shape);
    const { scores } = await session.run({ [session.inputNames[0]]: images }, ["scores"]);
    return {
      scores: Array.from(scores.data),
      thumb: await thumbOf(canvas),
      ratio: canvas.width / canvas.height,
    };
  };
};
