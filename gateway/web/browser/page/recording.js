// The player of a recording: waveform of both sides, and a position that turns and words lead to.

const $ = (id) => document.getElementById(id);
const NAMES = { paused: "paused", gap: "lost", moved: "moved", killed: "moved" };
const STEP_S = 5;
const sound = new Audio();
let shown = null;   // { id, info, caller, agent, url }
let ask = null, time = null, ink = null;

export function prepare(tools) {
  ({ ask, time, ink } = tools);
}

// Called with every change of the chosen call; the sound itself is fetched when it is played.
export async function show(record) {
  const id = record?.recording ? `${record.id} ${record.recording.sha256}` : null;
  $("recording").hidden = !id;
  if (shown?.id === id || (!id && !shown)) return;
  drop();
  if (!id) return;
  const mine = (shown = { id, call: record.id, info: null, url: "" });
  tell("");
  try {
    const info = await (await ask(`/api/calls/${encodeURIComponent(record.id)}/recording/info`)).json();
    if (shown !== mine) return;
    Object.assign(mine, { info, caller: points(info.waveform_caller), agent: points(info.waveform_agent) });
    const gaps = info.gaps.map((gap) => `${NAMES[gap.kind] ?? gap.kind} from ${time(gap.from_s)} to ${time(gap.to_s)}`);
    tell(gaps.length ? `Not recorded: ${gaps.slice(0, 4).join("; ")}${gaps.length > 4 ? "; and more" : ""}.` : "");
    $("waveform").setAttribute("aria-valuemax", String(Math.round(info.seconds)));
    paint();
  } catch (error) {
    if (shown === mine) tell(error.message, true);
  }
}

// Where a moment of the call stands in its recording; null for one that is not in it.
export function seek(at_s) {
  if (!shown?.info) return;
  const to = Math.max(0, Math.min(shown.info.seconds - 0.1, at_s - shown.info.began_s));
  go(to, true);
}

export const has = () => Boolean(shown?.info);

function points(text) {
  return Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
}

function drop() {
  sound.pause();
  sound.removeAttribute("src");
  if (shown?.url) URL.revokeObjectURL(shown.url);
  shown = null;
  label();
}

function tell(text, bad = false) {
  $("recording-status").textContent = text;
  $("recording-status").classList.toggle("bad", bad);
}

async function loaded() {
  const mine = shown;
  if (!mine?.info || mine.url) return Boolean(mine?.url);
  tell("The recording is on its way.");
  try {
    const blob = await (await ask(`/api/calls/${encodeURIComponent(mine.call)}/recording`)).blob();
    if (shown !== mine) return false;
    mine.url = URL.createObjectURL(blob);
    const save = $("recording-save");
    save.href = mine.url;
    save.download = `${mine.call}.${mine.info.format}`;
    sound.src = mine.url;
    tell("");
    return true;
  } catch (error) {
    if (shown === mine) tell(error.message, true);
    return false;
  }
}

async function go(to_s, play) {
  if (!(await loaded())) return;
  if (sound.readyState < 1) await new Promise((done) => sound.addEventListener("loadedmetadata", done, { once: true }));
  sound.currentTime = to_s;
  if (play) await started();
  paint();
}

async function started() {
  try {
    await sound.play();
  } catch (error) {
    if (error.name !== "AbortError") tell(error.message, true);  // paused before it began
  }
}

async function toggle() {
  if (!sound.paused) return sound.pause();
  if (await loaded()) await started();
}

// --- Painting ---

export function paint() {
  label();
  const canvas = $("waveform"), info = shown?.info;
  const scale = devicePixelRatio || 1, { clientWidth: width, clientHeight: height } = canvas;
  if (!width || !info) return;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d"), x = (s) => (s / info.seconds) * width;
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.fillStyle = ink("--hover");
  for (const gap of info.gaps) pen.fillRect(x(gap.from_s), 0, Math.max(1, x(gap.to_s) - x(gap.from_s)), height);
  lane(pen, shown.caller, ink("--caller"), width, 0, height / 2);
  lane(pen, shown.agent, ink("--model"), width, height / 2, height / 2);
  pen.fillStyle = ink("--ink");
  pen.fillRect(Math.min(width - 2, x(sound.currentTime)), 0, 2, height);
}

function lane(pen, values, colour, width, top, height) {
  const bars = Math.max(1, Math.floor(width / 3)), middle = top + height / 2;
  pen.fillStyle = colour;
  for (let at = 0; at < bars; at++) {
    const from = Math.floor((at * values.length) / bars), to = Math.max(from + 1, Math.floor(((at + 1) * values.length) / bars));
    let most = 0;
    for (let one = from; one < to && one < values.length; one++) most = Math.max(most, values[one]);
    // The scale is logarithmic: the softest third of it is the noise of a line.
    const half = Math.max(0.75, (Math.max(0, most - 85) / 170) * (height / 2 - 3));
    pen.fillRect(at * 3, middle - half, 2, 2 * half);
  }
}

function label() {
  const all = shown?.info?.seconds ?? 0, at = Math.min(sound.currentTime || 0, all);
  $("recording-at").textContent = `${time(at)} / ${time(all)}`;
  $("recording-play").textContent = sound.paused ? "Play" : "Pause";
  $("waveform").setAttribute("aria-valuenow", String(Math.round(at)));
  $("waveform").setAttribute("aria-valuetext", `${time(at)} of ${time(all)}`);
  follow(at + (shown?.info?.began_s ?? 0));
}

// Marks the words that are being said.
function follow(at_s) {
  const lines = [...$("transcript").children];
  const heard = shown?.info && !sound.paused ? lines.findLast((line) => JSON.parse(line.dataset.key).at_s <= at_s + 0.05) : null;
  for (const line of lines) line.classList.toggle("heard", line === heard);
}

function frame() {
  paint();
  if (!sound.paused) requestAnimationFrame(frame);
}

sound.addEventListener("play", () => requestAnimationFrame(frame));
for (const event of ["pause", "ended", "seeked"]) sound.addEventListener(event, paint);
new ResizeObserver(paint).observe($("waveform"));
$("recording-play").addEventListener("click", toggle);
$("recording-save").addEventListener("click", async (event) => {
  if (shown?.url) return;
  event.preventDefault();
  if (await loaded()) $("recording-save").click();
});
$("waveform").addEventListener("click", (event) => {
  if (has()) go((event.offsetX / $("waveform").clientWidth) * shown.info.seconds, !sound.paused);
});
$("waveform").addEventListener("keydown", (event) => {
  const step = { ArrowRight: STEP_S, ArrowLeft: -STEP_S }[event.key];
  if (!has() || (!step && event.key !== " ")) return;
  event.preventDefault();
  if (event.key === " ") return toggle();
  go(Math.max(0, Math.min(shown.info.seconds - 0.1, sound.currentTime + step)), !sound.paused);
});
