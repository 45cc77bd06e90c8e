// One call: microphone, sound, and the carrier's part of a media stream over /phone/line. A
// connection that breaks is opened again, and the conversation goes on. `screen` shows it.

const FRAME_MS = 20, LEVEL_MS = 100;
const LOUD = 0.012;              // RMS, about -38 dBFS: somebody speaks
const UNSENT_MAX_S = 2;          // of frames that the network did not take
const FRAME_MAX_BYTES = 1_500;
const BACK_WITHIN_MS = 45_000;   // then the line counts as broken for good
const PAUSES_MS = [200, 500, 1000, 2000, 4000];
const FORMATS = {
  pcm: { encoding: "audio/pcm", sampleRate: 24_000, channels: 1 },
  mulaw: { encoding: "audio/x-mulaw", sampleRate: 8000, channels: 1 },
};
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
const BROKEN = new Set(["media_stalled", "media_broken", "drained"]);
const LATER = new Set(["draining", "starting", "full", "model_down", "rate_limited"]);
const NO_MICROPHONE = {
  NotFoundError: "There is no microphone.",
  NotReadableError: "The microphone is in use by another program.",
  NotAllowedError: "Without the microphone there is no call: allow it for this page.",
};

export function refusal(reason) { return REFUSED[reason]; }

export class Call {
  constructor(token, sound, screen) {
    this.token = token;
    this.sound = sound;
    this.screen = screen;
    this.over = this.opened = this.answered = this.muted = false;
    this.ticket = this.pictures = "";
    this.waits = [];
    this.clears = this.tries = 0;
    this.voice = { spoke: 0, heard: 0, owed: false, floor: LOUD };
    this.wake = () => this.keep_awake();
    this.online = () => this.broken_at && this.again();
  }

  async begin() {
    // Within the click: a telephone's browser gives sound to what a finger began.
    this.context = new AudioContext({ latencyHint: "interactive" });
    this.context.onstatechange = this.wake;
    for (const event of ["visibilitychange", "pointerdown", "keydown"]) document.addEventListener(event, this.wake);
    window.addEventListener("online", this.online);
    this.keep_awake();
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 },
      });
    } catch (error) {
      return this.end(NO_MICROPHONE[error.name] ?? "The microphone cannot be used.", true);
    }
    if (this.over) return this.release();
    this.stream.getTracks()[0].onended = () => this.end("The microphone is gone.", true);
    await this.context.audioWorklet.addModule("/phone/line.js");
    if (this.over) return this.release();
    this.line = new AudioWorkletNode(this.context, "line", {
      channelCount: 1, channelCountMode: "explicit", outputChannelCount: [1],
      processorOptions: { sound: this.sound },
    });
    this.line.port.onmessage = ({ data }) => this.on_line(data);
    this.line.port.postMessage({ muted: this.muted });
    this.line.connect(this.context.destination);
    this.mouth = this.context.createMediaStreamSource(this.stream);
    this.mouth.connect(this.line);
    this.dial();
  }

  /** A telephone call, or a browser that saves power, may take the sound away for a while. */
  keep_awake() {
    if (this.over || !this.context) return;
    if (this.context.state === "running") {
      if (this.asleep && this.broken_at) this.again();
      this.asleep = false;
      return;
    }
    this.context.resume().catch(() => {});
  }

  // --- The connection ---

  dial() {
    const address = new URL("/phone/line", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    this.opened = false;
    this.sid = `MZ${crypto.randomUUID().replaceAll("-", "")}`;
    this.sequence = this.chunk = 0;
    const socket = this.socket = new WebSocket(address, ["gateway.phone", this.token]);
    const mine = (act) => (event) => { if (socket === this.socket && !this.over) act(event); };
    socket.onopen = mine(() => this.on_open());
    socket.onmessage = mine(({ data }) => this.hear(JSON.parse(data)));
    socket.onclose = mine((event) => this.on_close(event));
  }

  on_open() {
    this.opened = true;
    this.post({ event: "connected", protocol: "Call", version: "1.0.0" });
    this.send("start", {
      accountSid: "", callSid: "", streamSid: this.sid, tracks: ["inbound"],
      customParameters: this.ticket ? { resume: this.ticket } : {}, mediaFormat: FORMATS[this.sound],
    });
  }

  on_answered({ resume, pictures }) {
    this.ticket = resume;
    this.pictures = pictures;
    this.broken_at = this.tries = 0;
    if (!this.answered) {
      this.answered = true;
      this.began = performance.now();
      this.ticking = setInterval(() => this.tick(), 250);
      navigator.wakeLock?.request("screen").then((lock) => { this.lock = lock; }, () => {});
    }
    this.screen.talking();
    this.tick();
  }

  async on_close({ code, reason }) {
    const why = reason ? `: ${reason.replaceAll("_", " ")}.` : ".";
    const goes_on = this.ticket && (this.broken_at ? LATER.has(reason) || code !== 1008 : code !== 1008);
    if (code === 1000 && !(goes_on && BROKEN.has(reason))) return this.end(ENDED[reason] ?? `The call has ended${why}`, !(reason in ENDED));
    if (goes_on) return this.break_off();
    if (this.ticket) return this.end("The line broke.", true);
    if (code === 1008) return this.end(REFUSED[reason] ?? `The call was not taken${why}`, true);
    if (this.opened) return this.end("The line broke.", true);
    this.end("The call was not taken.", true);
    this.screen.not_taken(); // a handshake that was refused says nothing
  }

  /** The conversation is still there: connect again, as soon as there is sound. */
  break_off() {
    if (!this.broken_at) {
      this.broken_at = performance.now();
      this.screen.broken();
    }
    this.line.port.postMessage({ clear: true });
    this.opened = false;
    this.socket.close();
    if (performance.now() - this.broken_at > BACK_WITHIN_MS) return this.end("The line broke.", true);
    if (this.context.state !== "running") {
      this.asleep = true; // `keep_awake` goes on
      return this.screen.asleep();
    }
    clearTimeout(this.pausing);
    this.pausing = setTimeout(() => this.again(), PAUSES_MS[Math.min(this.tries++, PAUSES_MS.length - 1)]);
  }

  again() {
    clearTimeout(this.pausing);
    if (this.over || this.opened || this.socket.readyState === WebSocket.CONNECTING) return;
    this.dial();
  }

  post(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  send(event, body) {
    const sequenceNumber = String(++this.sequence);
    this.post({ event, sequenceNumber, streamSid: this.sid, [event]: body });
  }

  // --- Sound ---

  on_line({ frame, heard, mouth, ear }) {
    if (frame && this.opened) {
      const timestamp = String(this.chunk * FRAME_MS), chunk = String(++this.chunk);
      this.send("media", { track: "inbound", chunk, timestamp, payload: btoa(String.fromCharCode(...frame)) });
    }
    if (heard !== undefined && this.opened) this.send("mark", { name: heard });
    if (mouth !== undefined) this.measure(mouth, ear);
  }

  hear({ event, media, mark, answered, transcript, turn }) {
    if (event === "media") this.line.port.postMessage({ sound: Uint8Array.from(atob(media.payload), (c) => c.charCodeAt(0)) });
    else if (event === "answered") this.on_answered(answered);
    else if (event === "transcript") this.screen.said(transcript);
    else if (event === "turn") this.screen.turn(turn);
    else if (event === "mark") this.line.port.postMessage({ mark: mark.name });
    else if (event === "clear") {
      this.line.port.postMessage({ clear: true });
      this.screen.interrupted(++this.clears);
    }
  }

  press(digit) { if (this.opened) this.send("dtmf", { track: "inbound_track", digit }); }

  mute(muted) {
    this.muted = muted;
    this.line?.port.postMessage({ muted });
  }

  /** From the end of what was said to the beginning of what is heard, as near as levels tell. */
  measure(mouth, ear) {
    this.screen.levels(mouth, ear);
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
    this.screen.waited(ms, sorted[sorted.length >> 1]);
  }

  tick() {
    const unsent = UNSENT_MAX_S * 1000 / FRAME_MS * FRAME_MAX_BYTES;
    if (this.opened && this.socket.bufferedAmount > unsent) this.break_off();
    if (this.broken_at && performance.now() - this.broken_at > BACK_WITHIN_MS) return this.end("The line broke.", true);
    this.screen.clock(Math.floor((performance.now() - this.began) / 1000));
  }

  // --- Pictures ---

  /** Sends a picture, made small and without its metadata. Returns what is to be said of it. */
  async show(file) {
    let body;
    try {
      body = await small(file);
    } catch {
      return "That is no picture that can be shown.";
    }
    const response = await fetch(this.pictures, { method: "POST", body, headers: { "Content-Type": body.type } }).catch(() => null);
    if (response?.status === 202) return "";
    if (response?.status === 429) return "Too many pictures at once: try again in a moment.";
    return response?.status === 403 ? "This call takes no more pictures." : "The picture was not taken.";
  }

  // --- The end ---

  hang_up() {
    if (this.opened) this.send("stop", { accountSid: "", callSid: "" });
    this.end("You hung up.");
  }

  end(why, bad = false) {
    if (this.over) return;
    this.over = true;
    this.release();
    this.screen.over(why, bad);
  }

  release() {
    clearInterval(this.ticking);
    clearTimeout(this.pausing);
    for (const event of ["visibilitychange", "pointerdown", "keydown"]) document.removeEventListener(event, this.wake);
    window.removeEventListener("online", this.online);
    this.lock?.release().catch(() => {});
    this.socket?.close(1000);
    this.stream?.getTracks().forEach((track) => track.stop());
    if (this.context && this.context.state !== "closed") this.context.close();
    this.screen.levels(0, 0);
  }
}

const PICTURE_MAX_PX = 1600;

async function small(file) {
  const picture = await createImageBitmap(file);
  const scale = Math.min(1, PICTURE_MAX_PX / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.86));
  if (!blob) throw new Error("no picture");
  return blob;
}
