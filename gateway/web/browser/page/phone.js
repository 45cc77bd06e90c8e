// A telephone for one agent: the link, the buttons, and what is shown of the call.

import { Call, refusal } from "/phone/call.js";

const $ = (id) => document.getElementById(id);
const KEYS = "123456789*0#";
const DOUBLE_CLICK_MS = 500;
const LINES_MAX = 400;
const SOUND = "gateway.phone.sound";
const token = location.hash.slice(1);
const embedded = window.parent !== window;
const lines = new Map();   // of the transcript, by number
const waits = new Map();   // seconds until an answer was heard, by the number of its line
let call = null, clicked = 0, notice = 0;

document.documentElement.classList.toggle("embedded", embedded);

function showStatus(text, bad = false) {
  clearTimeout(notice);
  $("status").textContent = text;
  $("status").className = bad ? "bad" : "";
}

/** For a moment; then the call's own status stands there again. */
function showNotice(text) {
  showStatus(text, true);
  notice = setTimeout(() => call && showStatus("On the line."), 5000);
}

function enter(state) {
  $("phone").dataset.state = state;
  const busy = state === "calling" || state === "talking";
  $("call").textContent = busy ? "Hang up" : state === "over" ? "Call again" : "Call";
  $("call").disabled = state === "loading" || state === "dead";
  $("mute").disabled = $("pad").disabled = $("picture").disabled = state !== "talking";
  // The site that shows this page learns the state, and no word of the call.
  if (embedded) window.parent.postMessage({ source: "gateway-phone", state }, "*");
  if (state === "talking") return;
  if ($("keys").contains(document.activeElement)) $("call").focus();
  open(false);
}

// --- The link ---

class Refused extends Error {}

async function card() {
  const headers = { Authorization: `Bearer ${token}` };
  const response = await fetch("/phone/card", { headers, cache: "no-store" });
  const said = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(said.detail ?? `The gateway answers ${response.status}.`);
  return said;
}

async function look() {
  if (!window.AudioWorkletNode || !navigator.mediaDevices) {
    enter("dead");
    return showStatus("This browser gives no microphone here: open the link with https.", true);
  }
  try {
    const { agent, language, expires_at, refusal: why } = await card();
    $("agent").textContent = document.title = agent;
    const until = new Date(expires_at * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    if (why) showStatus(refusal(why) ?? `Calls are not taken now: ${why}.`, true);
    else showStatus(`Speaks ${name_of(language)}.` + (embedded ? "" : ` The link works until ${until}.`));
    enter("ready");
  } catch (error) {
    enter("dead");
    showStatus(error instanceof Refused ? error.message : "The gateway cannot be reached.", true);
  }
}

function name_of(language) {
  try {
    return new Intl.DisplayNames("en", { type: "language" }).of(language);
  } catch {
    return language; // a tag that browsers do not know
  }
}

// --- What a call shows ---

const screen = {
  talking() {
    showStatus("On the line.");
    enter("talking");
    for (const id of ["clock", "figures", "talk"]) $(id).hidden = false;
  },
  broken() { showStatus("The connection broke. Connecting again.", true); },
  asleep() { showStatus("The sound was interrupted. Tap here to go on.", true); },
  clock(s) { $("clock").textContent = `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`; },
  levels(mouth, ear) {
    paint("mouth", mouth);
    paint("ear", ear);
  },
  waited(ms, median) {
    $("wait").textContent = seconds(ms);
    $("median").textContent = seconds(median);
  },
  interrupted(count) { $("clears").textContent = count; },
  /** A later text of a line takes the place of the one before: of words that were not heard. */
  said({ number, who, text, done }) {
    const line = lines.get(number) ?? add(number, who);
    line.querySelector("p").textContent = text;
    line.classList.toggle("growing", !done && who === "agent");
    follow();
  },
  /** How long the caller waited for an answer stands with it; its words may come later. */
  turn({ number, wait_s }) {
    waits.set(number, wait_s);
    if (lines.has(number)) note(number);
  },
  async not_taken() {
    try {
      await card(); // this may say why
    } catch (error) {
      if (call === null && error instanceof Refused) showStatus(error.message, true);
    }
  },
  over(why, bad) {
    showStatus(why, bad);
    enter("over");
    for (const line of lines.values()) line.classList.remove("growing");
    call = null;
  },
};

function add(number, who) {
  const line = document.createElement("li");
  line.className = who;
  const text = document.createElement("p");
  text.dir = "auto";
  line.append(text);
  lines.set(number, line);
  if (waits.has(number)) note(number);
  // Words of the caller are written down late: their place is before what came after them.
  const after = [...lines].filter(([one]) => one > number && typeof one === "number").sort(([a], [b]) => a - b)[0];
  if (after) after[1].before(line);
  else $("lines").append(line);
  if (lines.size > LINES_MAX) {
    const [oldest, first] = lines.entries().next().value;
    lines.delete(oldest);
    first.remove();
  }
  return line;
}

function note(number) {
  const line = lines.get(number), wait = line.querySelector("small") ?? document.createElement("small");
  wait.textContent = `after ${waits.get(number).toFixed(1)} s`;
  line.append(wait);
}

function follow() {
  const list = $("lines");
  if (list.scrollHeight - list.scrollTop - list.clientHeight < 120) list.scrollTop = list.scrollHeight;
}

function seconds(ms) { return `${(ms / 1000).toFixed(1)} s`; }

/** -60 dBFS is nothing, 0 all. */
function paint(id, level) {
  const shown = level > 0.001 ? 1 + Math.log10(level) / 3 : 0;
  $(id).style.transform = `scaleX(${Math.min(1, shown).toFixed(3)})`;
}

// --- Buttons ---

$("call").addEventListener("click", () => {
  if (call && performance.now() - clicked < DOUBLE_CLICK_MS) return;
  if (call) return call.hang_up();
  showStatus("Calling.");
  enter("calling");
  for (const id of ["wait", "median"]) $(id).textContent = "–";
  $("clears").textContent = "0";
  for (const picture of $("lines").querySelectorAll("img")) URL.revokeObjectURL(picture.src);
  $("lines").replaceChildren();
  lines.clear();
  waits.clear();
  mute(false);
  const sound = document.querySelector("input[name=sound]:checked").value;
  call = new Call(token, sound, screen);
  const mine = call;
  clicked = performance.now();
  mine.begin().catch(() => {
    mine.end("This browser cannot make the call.", true);
    mine.release();
  });
});

for (const choice of document.querySelectorAll("input[name=sound]")) {
  try {
    if (choice.value === localStorage.getItem(SOUND)) choice.checked = true;
  } catch { /* a browser that keeps nothing for a page in a frame */ }
  choice.addEventListener("change", () => {
    try { localStorage.setItem(SOUND, choice.value); } catch { /* as above */ }
  });
}

function mute(muted) {
  $("mute").setAttribute("aria-pressed", muted);
}

$("mute").addEventListener("click", () => {
  const muted = $("mute").getAttribute("aria-pressed") !== "true";
  mute(muted);
  call?.mute(muted);
});

function open(shown) {
  $("pad").setAttribute("aria-expanded", shown);
  $("keys").hidden = !shown;
}

$("pad").addEventListener("click", () => open($("keys").hidden));

function strike(digit) {
  if (!call?.answered) return;
  call.press(digit);
  const key = $("keys").children[KEYS.indexOf(digit)];
  key.classList.add("struck");
  setTimeout(() => key.classList.remove("struck"), 150);
}

for (const digit of KEYS) {
  const key = document.createElement("button");
  key.type = "button";
  key.textContent = digit;
  key.addEventListener("click", () => strike(digit));
  $("keys").append(key);
}

// --- Pictures: chosen, dropped or pasted ---

async function show(file) {
  if (!file || !call?.answered) return;
  const mine = call, problem = await mine.show(file);
  if (problem) return showNotice(problem);
  if (mine !== call) return;
  const line = add(`picture ${performance.now()}`, "caller"), picture = document.createElement("img");
  picture.alt = "The picture that you sent";
  picture.src = URL.createObjectURL(file);
  picture.onload = () => { $("lines").scrollTop = $("lines").scrollHeight; };
  line.prepend(picture);
}

function picture_in(data) {
  return [...(data?.files ?? [])].find((file) => file.type.startsWith("image/"));
}

$("picture").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => {
  show($("file").files[0]);
  $("file").value = "";
});
document.addEventListener("paste", (event) => show(picture_in(event.clipboardData)));
document.addEventListener("dragover", (event) => {
  event.preventDefault(); // a page that lets it fall would be left for the picture
  $("drop").hidden = !call?.answered;
});
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) $("drop").hidden = true; });
document.addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").hidden = true;
  show(picture_in(event.dataTransfer));
});

document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (!$("keys").hidden && KEYS.includes(event.key)) strike(event.key);
});
window.addEventListener("pagehide", () => call?.hang_up());
window.addEventListener("hashchange", () => location.reload());

look();
