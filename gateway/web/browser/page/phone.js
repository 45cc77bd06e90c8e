// A telephone for one agent: plays the carrier's part of a media stream over /phone/line.

const $ = (id) => document.getElementById(id);
const FRAME_MS = 20, LEVEL_MS = 100;
const LOUD = 0.012;             // RMS, about -38 dBFS: somebody speaks
const KEYS = "123456789*0#";
const UNSENT_MAX_BYTES = 40_000; // two seconds of frames that the network did not take
const DOUBLE_CLICK_MS = 500;
const REFUSED = {
  full: "All lines are taken. Try again in a minute.",
  agent_full: "The agent has as many calls as it takes. Try again in a minute.",
  too_often: "Too many calls were begun. Try again in a few seconds.",
  draining: "The gateway is being replaced. Try again in a minute.",
  starting: "The gateway is starting. Try again in a few seconds.",
  budget: "The budget for calls like this one is used up for today.",
  model_down: "The model cannot be reached at the moment.",
  rate_limited: "The model's rate limit is used up for the moment.",
  unknown_agent: "The agent of this link does not exist any more.",
};
const ENDED = {
  agent_hung_up: "The agent hung up.",
  operator_hung_up: "An operator ended the call.",
  max_length: "The call has reached its longest time.",
  idle: "Nobody said anything for a while.",
  drained: "The gateway is being replaced. Call again.",
  spend_limit: "The call has cost as much as it may.",
  media_stalled: "No sound came from this browser any more.",
};
const NO_MICROPHONE = {
  NotFoundError: "There is no microphone.",
  NotReadableError: "The microphone is in use by another program.",
  NotAllowedError: "Without the microphone there is no call: allow it for this page.",
};
const token = location.hash.slice(1);
let call = null, clicked = 0;

function showStatus(text, bad = false) {
  $("status").textContent = text;
  $("status").className = bad ? "bad" : "";
}

function enter(state) {
  $("phone").dataset.state = state;
  const busy = state === "calling" || state === "talking";
  $("call").textContent = busy ? "Hang up" : state === "over" ? "Call again" : "Call";
  $("call").disabled = state === "loading" || state === "dead";
  $("mute").disabled = $("pad").disabled = state !== "talking";
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
    const { agent, language, expires_at, refusal } = await card();
    $("agent").textContent = document.title = agent;
    const until = new Date(expires_at * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    if (refusal) showStatus(REFUSED[refusal] ?? `Calls are not taken now: ${refusal}.`, true);
    else showStatus(`Speaks ${name_of(language)}. The link works until ${until}.`);
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

// --- A call ---

class Call {
  constructor() {
    this.sid = `MZ${crypto.randomUUID().replaceAll("-", "")}`;
    this.sequence = this.chunk = 0;
    this.over = this.opened = this.answered = false;
    this.waits = [];
    this.clears = 0;
    this.voice = { spoke: 0, heard: 0, owed: false, floor: LOUD };
  }

  async begin() {
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 },
      });
    } catch (error) {
      return this.end(NO_MICROPHONE[error.name] ?? "The microphone cannot be used.", true);
    }
    if (this.over) return this.release();
    this.stream.getTracks()[0].onended = () => this.end("The microphone is gone.", true);
    this.context = new AudioContext({ latencyHint: "interactive" });
    this.context.onstatechange = () => this.keep_awake();
    await this.context.audioWorklet.addModule("/phone/line.js");
    if (this.over) return this.release();
    this.keep_awake();
    const mono = { channelCount: 1, channelCountMode: "explicit", outputChannelCount: [1] };
    this.line = new AudioWorkletNode(this.context, "line", mono);
    this.line.port.onmessage = ({ data }) => this.on_line(data);
    this.line.connect(this.context.destination);
    this.mouth = this.context.createMediaStreamSource(this.stream);
    this.mouth.connect(this.line);
    this.dial();
  }

  /** A telephone call, or a browser that saves power, may take the sound away for a while. */
  keep_awake() {
    if (!this.over && this.context.state !== "running") this.context.resume().catch(() => {});
  }

  dial() {
    const address = new URL("/phone/line", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    this.socket = new WebSocket(address, ["gateway.phone", token]);
    this.socket.onopen = () => this.on_open();
    this.socket.onmessage = ({ data }) => this.over || this.hear(JSON.parse(data));
    this.socket.onclose = (event) => this.on_close(event);
  }

  on_open() {
    this.opened = true;
    this.post({ event: "connected", protocol: "Call", version: "1.0.0" });
    this.send("start", {
      accountSid: "", callSid: "", streamSid: this.sid, tracks: ["inbound"], customParameters: {},
      mediaFormat: { encoding: "audio/x-mulaw", sampleRate: 8000, channels: 1 },
    });
  }

  on_answered() {
    this.answered = true;
    this.began = performance.now();
    showStatus("On the line.");
    enter("talking");
    for (const id of ["clock", "figures"]) $(id).hidden = false;
    this.ticking = setInterval(() => this.tick(), 250);
    this.tick();
  }

  post(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  send(event, body) {
    const sequenceNumber = String(++this.sequence);
    this.post({ event, sequenceNumber, streamSid: this.sid, [event]: body });
  }

  on_line({ frame, heard, mouth, ear }) {
    if (frame && this.opened) {
      const timestamp = String(this.chunk * FRAME_MS), chunk = String(++this.chunk);
      this.send("media", { track: "inbound", chunk, timestamp, payload: btoa(String.fromCharCode(...frame)) });
    }
    if (heard !== undefined) this.send("mark", { name: heard });
    if (mouth !== undefined) this.measure(mouth, ear);
  }

  hear({ event, media, mark }) {
    if (event === "media") this.line.port.postMessage({ sound: Uint8Array.from(atob(media.payload), (c) => c.charCodeAt(0)) });
    else if (event === "answered") this.on_answered();
    else if (event === "mark") this.line.port.postMessage({ mark: mark.name });
    else if (event === "clear") {
      this.line.port.postMessage({ clear: true });
      $("clears").textContent = ++this.clears;
    }
  }

  press(digit) { this.send("dtmf", { track: "inbound_track", digit }); }

  mute(muted) { this.line.port.postMessage({ muted }); }

  /** From the end of what was said to the beginning of what is heard, as near as levels tell. */
  measure(mouth, ear) {
    paint("mouth", mouth);
    paint("ear", ear);
    const now = performance.now(), { voice } = this;
    voice.floor += (mouth - voice.floor) * (mouth < voice.floor ? 0.5 : 0.01); // of the noise around the caller
    if (ear > LOUD) {
      if (voice.owed && now - voice.heard > 2 * LEVEL_MS) this.waited(now - voice.spoke);
      voice.owed = false;
      voice.heard = now;
    } else if (mouth > Math.max(LOUD, 3 * voice.floor)) {
      voice.spoke = now;
      voice.owed = true;
    }
  }

  waited(ms) {
    this.waits.push(ms);
    const sorted = [...this.waits].sort((a, b) => a - b);
    $("wait").textContent = seconds(ms);
    $("median").textContent = seconds(sorted[sorted.length >> 1]);
  }

  tick() {
    if (this.socket.bufferedAmount > UNSENT_MAX_BYTES) return this.end("The line broke.", true);
    const s = Math.floor((performance.now() - this.began) / 1000);
    $("clock").textContent = `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
  }

  hang_up() {
    if (this.opened) this.send("stop", { accountSid: "", callSid: "" });
    this.end("You hung up.");
  }

  async on_close({ code, reason }) {
    if (this.over) return;
    const why = reason ? `: ${reason.replaceAll("_", " ")}.` : ".";
    if (code === 1000) return this.end(ENDED[reason] ?? `The call has ended${why}`, !(reason in ENDED));
    if (code === 1008) return this.end(REFUSED[reason] ?? `The call was not taken${why}`, true);
    if (this.opened) return this.end("The line broke.", true);
    this.end("The call was not taken.", true);
    try {
      await card(); // a handshake that was refused says nothing; this may
    } catch (error) {
      if (call === null && error instanceof Refused) showStatus(error.message, true);
    }
  }

  end(why, bad = false) {
    if (this.over) return;
    this.over = true;
    showStatus(why, bad);
    enter("over");
    this.release();
    call = null;
  }

  release() {
    clearInterval(this.ticking);
    this.socket?.close(1000);
    this.stream?.getTracks().forEach((track) => track.stop());
    if (this.context && this.context.state !== "closed") this.context.close();
    for (const id of ["mouth", "ear"]) paint(id, 0);
  }
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
  mute(false);
  call = new Call();
  const mine = call;
  clicked = performance.now();
  mine.begin().catch(() => {
    mine.end("This browser cannot make the call.", true);
    mine.release();
  });
});

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

document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (!$("keys").hidden && KEYS.includes(event.key)) strike(event.key);
});
window.addEventListener("pagehide", () => call?.hang_up());
window.addEventListener("hashchange", () => location.reload());

look();
