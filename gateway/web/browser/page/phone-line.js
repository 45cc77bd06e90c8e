// Both directions of the line, in the browser's audio thread: its rate on one side, mu-law at
// 8 kHz on the other. Plays as Twilio does: a mark is reported when all before it was heard, and a
// clear drops what waits and tells all its marks.

const LINE_HZ = 8000, FRAME = 160, REACH = 24, STEPS = 256, CUTOFF = 0.9;
const WAITING_MAX = 60 * LINE_HZ; // a minute of sound: nobody sends more ahead
const LEVEL_EVERY = 5;            // frames

// --- G.711 mu-law (ITU-T) ---

const DECODED = Float32Array.from({ length: 256 }, (_, code) => {
  const bits = ~code & 255, size = (((bits & 15) << 3) + 132 << (bits >> 4 & 7)) - 132;
  return (bits & 128 ? -size : size) / 32768;
});

function encoded(sample) {
  const size = Math.min(Math.abs(Math.round(sample * 32768)), 32635) + 132;
  const segment = 24 - Math.clz32(size);
  return ~((sample < 0 ? 128 : 0) | segment << 4 | size >> segment + 3 & 15) & 255;
}

// --- One low-pass for both ways: a windowed sinc, its argument in samples of the line ---

const KERNEL = Float32Array.from({ length: REACH * STEPS + 2 }, (_, n) => {
  const x = n / STEPS;
  if (x >= REACH) return 0;
  const sinc = x === 0 ? 1 : Math.sin(Math.PI * CUTOFF * x) / (Math.PI * CUTOFF * x);
  const t = x / REACH * Math.PI;
  return CUTOFF * sinc * (0.42 + 0.5 * Math.cos(t) + 0.08 * Math.cos(2 * t)); // Blackman
});

function kernel(x) {
  const at = Math.abs(x) * STEPS, n = Math.floor(at);
  return KERNEL[n] + (KERNEL[n + 1] - KERNEL[n]) * (at - n);
}

/** The last samples, by their number since the beginning. */
class Past {
  constructor(length) {
    this.kept = new Float32Array(2 ** Math.ceil(Math.log2(length)));
    this.mask = this.kept.length - 1;
    this.count = 0;
  }
  push(sample) { this.kept[this.count++ & this.mask] = sample; }
  at(n) { return n < 0 ? 0 : this.kept[n & this.mask]; }
}

class Line extends AudioWorkletProcessor {
  constructor() {
    super();
    this.ratio = sampleRate / LINE_HZ;
    this.reach = REACH * this.ratio;
    this.spoken = new Past(2 * this.reach + 2);
    this.next = 0;              // of the line's samples that go up
    this.frame = new Uint8Array(FRAME);
    this.filled = 0;
    this.waiting = [];          // pieces of mu-law
    this.read = 0;              // in the first of them
    this.length = 0;            // samples that wait
    this.ahead = 0;             // samples taken in since the beginning, dropped ones included
    this.marks = [];            // [position in `ahead`, name]
    this.heard = new Past(2 * REACH + 2);
    this.phase = 0;             // of the output, in samples of the line
    this.muted = false;
    this.mouth = this.ear = 0;  // energy since the last level
    this.frames = 0;
    this.port.onmessage = ({ data }) => this.take(data);
  }

  take({ sound, mark, clear, muted }) {
    if (sound && this.length + sound.length <= WAITING_MAX) {
      this.waiting.push(sound);
      this.length += sound.length;
      this.ahead += sound.length;
    }
    if (mark !== undefined) this.marks.push([this.ahead, mark]);
    if (clear) {
      this.waiting = [];
      this.read = this.length = 0;
    }
    if (muted !== undefined) this.muted = muted;
    this.tell();
  }

  tell() {
    while (this.marks.length && this.marks[0][0] <= this.ahead - this.length) {
      this.port.postMessage({ heard: this.marks.shift()[1] });
    }
  }

  process([input], [output]) {
    const ear = output[0], mouth = input[0];
    for (let n = 0; n < ear.length; n++) {
      this.speak(mouth ? mouth[n] : 0);
      ear[n] = this.listen();
    }
    for (let channel = 1; channel < output.length; channel++) output[channel].set(ear);
    this.tell();
    return true;
  }

  speak(sample) {
    const { spoken, ratio, reach } = this;
    spoken.push(this.muted ? 0 : sample);
    while (spoken.count > this.next * ratio + reach) {
      const centre = this.next * ratio, from = Math.ceil(centre - reach), to = centre + reach;
      let sum = 0;
      for (let n = from; n < to; n++) sum += spoken.at(n) * kernel((n - centre) / ratio);
      this.next++;
      this.send(sum / ratio);
    }
  }

  send(sample) {
    this.mouth += sample * sample;
    this.frame[this.filled++] = encoded(sample);
    if (this.filled < FRAME) return;
    this.port.postMessage({ frame: this.frame });
    this.filled = 0;
    if (++this.frames % LEVEL_EVERY) return;
    const level = (energy, of) => Math.sqrt(energy / of);
    this.port.postMessage({
      mouth: level(this.mouth, LEVEL_EVERY * FRAME),
      ear: level(this.ear, LEVEL_EVERY * FRAME * this.ratio),
    });
    this.mouth = this.ear = 0;
  }

  listen() {
    this.phase += 1 / this.ratio;
    while (this.phase >= 1) {
      this.phase -= 1;
      this.heard.push(this.taken());
    }
    const newest = this.heard.count - 1, centre = newest - REACH + this.phase;
    let sum = 0;
    for (let n = newest - 2 * REACH + 1; n <= newest; n++) sum += this.heard.at(n) * kernel(n - centre);
    this.ear += sum * sum;
    return sum;
  }

  taken() {
    if (!this.length) return 0;
    const sample = DECODED[this.waiting[0][this.read++]];
    this.length--;
    if (this.read === this.waiting[0].length) {
      this.waiting.shift();
      this.read = 0;
    }
    return sample;
  }
}

registerProcessor("line", Line);
