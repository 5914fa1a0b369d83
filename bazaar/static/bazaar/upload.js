// Upload from the browser, over the same wire as the clients: ask how each file shall come, send the large
// ones in parts that are retried alone, then make one commit. What has arrived is never sent twice: press
// the button again after a failure and it goes on; after a reload the hub says which objects it has.

const form = document.getElementById("upload");
const say = (name) => form.dataset[`say${name}`];
const token = form.querySelector("[name=csrfmiddlewaretoken]").value;
const list = form.querySelector("[data-list]");
// path → {path, name, top, file, row, field, bar, note, mode, oid, parts, done}; `name` is the path below the
// folder that was chosen, `top` that folder's own name, `field` the control in which the path can be changed.
const files = new Map();
const keep = form.querySelector("[data-keep-folder]");
const BATCH = 100;
const TRIES = 5;
const SENDERS = 3;

// ---- choosing ------------------------------------------------------------------------------------

form.querySelector("[data-folder-choice]").hidden = false;
for (const input of form.querySelectorAll("[data-files]")) {
  input.addEventListener("change", () => {
    for (const file of input.files) {
      const [top, ...below] = (file.webkitRelativePath || file.name).split("/");
      if (below.includes(".git")) continue;
      if (below.length) add(below.join("/"), file, top);
      else add(top, file);
    }
    input.value = "";
  });
}
const drop = form.querySelector("[data-drop]");
drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.dataset.over = ""; });
drop.addEventListener("dragleave", () => delete drop.dataset.over);
drop.addEventListener("drop", async (event) => {
  event.preventDefault();
  delete drop.dataset.over;
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  // One folder alone is the repository's content. Several, or a folder beside files, keep their names.
  if (entries.length === 1 && !entries[0].isFile) await walk(entries[0], "", entries[0].name);
  else for (const entry of entries) await walk(entry, entry.isFile ? "" : `${entry.name}/`, "");
});

async function walk(entry, prefix, top) {
  if (entry.isFile) {
    add(prefix + entry.name, await new Promise((resolve, reject) => entry.file(resolve, reject)), top);
    return;
  }
  if (entry.name === ".git") return;
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    for (const child of some) await walk(child, child.isFile ? prefix : `${prefix}${child.name}/`, top);
  }
}

const pathOf = ({ top, name }) => [form.dataset.folder, keep.checked && top, name].filter(Boolean).join("/");

function add(name, file, top = "") {
  const row = document.createElement("tr");
  const cells = Array.from({ length: 4 }, () => row.insertCell());
  const field = Object.assign(document.createElement("input"), { className: "mono", spellcheck: false });
  field.setAttribute("aria-label", form.dataset.sayPath);
  cells[0].append(field);
  cells[1].textContent = size(file.size);
  cells[1].className = "num";
  const bar = Object.assign(document.createElement("progress"), { max: Math.max(1, file.size), value: 0 });
  const note = Object.assign(document.createElement("span"), { className: "muted tiny" });
  cells[2].append(bar, note);
  const remove = Object.assign(document.createElement("button"), { type: "button", className: "btn little quiet", textContent: "×" });
  cells[3].append(remove);
  const item = { name, top, file, row, field, bar, note, remove, parts: new Map(), done: false };
  remove.addEventListener("click", () => { row.remove(); files.delete(item.path); show(); });
  field.addEventListener("change", () => {
    const path = field.value.trim().replace(/^\/+|\/+$/g, "");
    move(item, path && !files.has(path) ? path : item.path);
  });
  list.querySelector("tbody").append(row);
  move(item, pathOf(item));
  show();
}

// Give a file its place in the repository; a file that stood there before makes room.
function move(item, path) {
  if (files.get(item.path) === item) files.delete(item.path);
  files.get(path)?.row.remove();
  files.set(path, item);
  item.path = path;
  item.field.value = path;
  item.bar.setAttribute("aria-label", path);
  item.remove.setAttribute("aria-label", `× ${path}`);
}

keep.addEventListener("change", () => {
  for (const item of [...files.values()]) if (item.top) move(item, pathOf(item));
});

function show() {
  list.hidden = !files.size;
  keep.closest("label").hidden = ![...files.values()].some((item) => item.top);
}

function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 999.5 && unit < units.length - 1) { bytes /= 1000; unit++; }
  return `${unit ? bytes.toPrecision(3) : bytes} ${units[unit]}`;
}

// ---- sending -------------------------------------------------------------------------------------

form.addEventListener("submit", async (event) => {
  if (!files.size) return;
  event.preventDefault();
  const button = form.querySelector(".form-end button");
  const total = form.querySelector("[data-total]");
  const status = total.querySelector("[role=status]");
  button.disabled = true;
  keep.disabled = true;
  for (const item of files.values()) item.field.readOnly = true;
  total.hidden = false;
  addEventListener("beforeunload", stay);
  const timer = setInterval(() => showTotal(total), 200);
  try {
    const all = [...files.values()];
    await classify(all.filter((item) => !item.mode));
    const large = all.filter((item) => item.mode === "lfs" && !item.done);
    const queue = [...large];
    await Promise.all(Array.from({ length: SENDERS }, async () => {
      for (let item = queue.shift(); item; item = queue.shift()) await send(item);
    }));
    removeEventListener("beforeunload", stay);
    status.textContent = say("Committing");
    await commit(all);
  } catch (error) {
    status.textContent = `${say("Failed")} (${error.message})`;
    button.disabled = false;
  } finally {
    removeEventListener("beforeunload", stay);
    clearInterval(timer);
    showTotal(total, false);
  }
});

// Leaving now would lose what is under way; the browser asks first.
const stay = (event) => event.preventDefault();

function showTotal(total, text = true) {
  let sent = 0, all = 0;
  for (const item of files.values()) { sent += item.bar.value; all += item.bar.max; }
  const bar = total.querySelector("progress");
  [bar.max, bar.value] = [all, sent];
  if (text) total.querySelector("[role=status]").textContent = `${size(sent)} ${say("Of")} ${size(all)}`;
}

async function call(url, body, type = "application/json") {
  return retried(async () => {
    const response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": type, Accept: type.includes("lfs") ? type : "application/json", "X-CSRFToken": token },
      body,
    });
    if (!response.ok) {
      const text = await response.text();
      let message = text.slice(0, 200);
      try { const read = JSON.parse(text); message = read.error || read.message || message; } catch { /* it was no JSON */ }
      throw Object.assign(new Error(message), { final: response.status < 500 && response.status !== 429 });
    }
    return response.json();
  });
}

async function retried(work, note) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (error.final || attempt >= TRIES) throw error;
      if (note) note.textContent = ` ${say("Retry")}`;
      await Promise.any([pause(400 * 2 ** attempt), backOnline()]);
    }
  }
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
// The browser says when the network is back: then there is nothing to wait for.
const backOnline = () => new Promise((resolve) => addEventListener("online", resolve, { once: true }));

const revision = encodeURIComponent(form.dataset.revision);

async function classify(items) {
  for (let at = 0; at < items.length; at += BATCH) {
    const some = items.slice(at, at + BATCH);
    const asked = await Promise.all(some.map(async ({ path, file }) => ({
      path, size: file.size, sample: base64(new Uint8Array(await file.slice(0, 512).arrayBuffer())),
    })));
    const answer = await call(`${form.dataset.wire}/preupload/${revision}`, JSON.stringify({ files: asked }));
    for (const [index, { uploadMode, shouldIgnore }] of answer.files.entries()) {
      some[index].mode = shouldIgnore ? "ignore" : uploadMode;
    }
  }
}

async function send(item) {
  item.note.textContent = ` ${say("Hashing")}`;
  item.oid ??= await hash(item);
  item.bar.value = 0;
  const type = "application/vnd.git-lfs+json";
  const asked = { operation: "upload", transfers: ["basic", "multipart"], hash_algo: "sha256", objects: [{ oid: item.oid, size: item.file.size }] };
  const answer = (await call(`${form.dataset.git}/info/lfs/objects/batch`, JSON.stringify(asked), type)).objects[0];
  if (answer.error) throw new Error(answer.error.message);
  if (answer.actions) {
    item.note.textContent = ` ${say("Sending")}`;
    const { href, header = {} } = answer.actions.upload;
    if (header.chunk_size) await sendParts(item, href, header);
    else await retried(() => put(href, item.file, header, (sent) => { item.bar.value = sent; }), item.note);
    if (answer.actions.verify) await call(answer.actions.verify.href, JSON.stringify({ oid: item.oid, size: item.file.size }), type);
    item.note.textContent = ` ${say("Done")}`;
  } else {
    item.note.textContent = ` ${say("Known")}`;
  }
  item.bar.value = item.bar.max;
  item.done = true;
}

async function sendParts(item, complete, header) {
  const step = Number(header.chunk_size);
  const numbers = Object.keys(header).filter((key) => /^\d+$/.test(key)).map(Number).sort((a, b) => a - b);
  let before = 0;
  for (const number of numbers) {
    const piece = item.file.slice((number - 1) * step, number * step);
    if (!item.parts.has(number)) {
      const etag = await retried(() => put(header[number], piece, {}, (sent) => { item.bar.value = before + sent; }), item.note);
      item.parts.set(number, etag);
      item.note.textContent = ` ${say("Sending")}`;
    }
    before += piece.size;
    item.bar.value = before;
  }
  const parts = numbers.map((number) => ({ partNumber: number, etag: item.parts.get(number) }));
  await call(complete, JSON.stringify({ oid: item.oid, parts }), "application/vnd.git-lfs+json");
}

function put(url, body, headers, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => progress(event.loaded);
    request.onload = () => {
      if (request.status < 300) resolve(request.getResponseHeader("ETag"));
      else reject(Object.assign(new Error(`HTTP ${request.status}`), { final: request.status < 500 }));
    };
    request.onerror = () => reject(new Error("network"));
    request.send(body);
  });
}

function hash(item) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(form.dataset.worker);
    worker.onmessage = ({ data }) => {
      if (data.read !== undefined) { item.bar.value = data.read; return; }
      worker.terminate();
      if (data.oid) resolve(data.oid);
      else reject(new Error(data.error));
    };
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage({ file: item.file });
  });
}

function base64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}

async function commit(items) {
  const lines = [{ key: "header", value: { summary: form.message.value.trim() || form.message.placeholder, description: "" } }];
  for (const item of items) {
    if (item.mode === "lfs") {
      lines.push({ key: "lfsFile", value: { path: item.path, algo: "sha256", oid: item.oid, size: item.file.size } });
    } else if (item.mode === "regular") {
      const content = base64(new Uint8Array(await item.file.arrayBuffer()));
      lines.push({ key: "file", value: { path: item.path, encoding: "base64", content } });
      item.bar.value = item.bar.max;
      item.note.textContent = ` ${say("Done")}`;
    }
  }
  const proposes = new FormData(form).get("propose") === "1";
  const body = new Blob(lines.map((line) => `${JSON.stringify(line)}\n`));
  const made = await call(`${form.dataset.wire}/commit/${revision}${proposes ? "?create_pr=1" : ""}`, body, "application/x-ndjson");
  location.assign(made.pullRequestUrl ? new URL(made.pullRequestUrl).pathname : form.dataset.after);
}
