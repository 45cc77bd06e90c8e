// Both directions of the line, in the browser's audio thread: its rate on one side, and on the
// other PCM at 24 kHz, as the model has it, or mu-law at 8 kHz, as a telephone has it. Plays as
// Twilio does: a mark is reported when all before it was heard, and a clear drops what waits and
// tells all its marks.

const REACH = 24, STEPS = 256, CUTOFF = 0.9, FRAME_S = 0.02;
const WAITING_MAX_S = 60;         // nobody sends more ahead
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

const MULAW = {
  hz: 8000,
  frame: (length) => new Uint8Array(length),
  put: (frame, at, sample) => { frame[at] = encoded(sample); },
  samples: (bytes) => bytes,
  decode: (code) => DECODED[code],
};
const PCM = {
  hz: 24_000,
  frame: (length) => new Int16Array(length),
  put: (frame, at, sample) => { frame[at] = Math.max(-32768, Math.min(32767, Math.round(sample * 32768))); },
  samples: (bytes) => new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1),
  decode: (sample) => sample / 32768,
};

// --- One low-pass for both ways: a windowed sinc, its argument in samples of the lower rate ---

const KERNEL = Float32Array.from({ length: REACH * STEPS + 2 }, (_, n) => {
  const x = n / STEPS;
  if (x >= REACH) return 0;
  const sinc = x === 0 ? 1 : Math.sin(Math.PI * CUTOFF * x) / (Math.PI * CUTOFF * x);
  const t = x / REACH * Math.PI;
  return CUTOFF * sinc * (0.42 + 0.5 * Math.cos(t) + 0.08 * Math.cos(2 * t)); // Blackman
});

function kernel(x) {
  const at = Math.abs(x) * STEPS, n = Math.floor(at);
  return n < KERNEL.length - 1 ? KERNEL[n] + (KERNEL[n + 1] - KERNEL[n]) * (at - n) : 0;
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
  constructor({ processorOptions }) {
    super();
    this.code = processorOptions?.sound === "mulaw" ? MULAW : PCM;
    this.frame_size = this.code.hz * FRAME_S;
    this.ratio = sampleRate / this.code.hz;
    this.up_scale = Math.max(1, this.ratio);       // in the browser's samples
    this.down_scale = Math.max(1, 1 / this.ratio); // in the line's
    this.up_reach = REACH * this.up_scale;
    this.down_reach = Math.ceil(REACH * this.down_scale);
    this.spoken = new Past(2 * this.up_reach + 2 * this.ratio + 2);
    this.next = 0;              // of the line's samples that go up
    this.frame = this.code.frame(this.frame_size);
    this.filled = 0;
    this.waiting = [];          // pieces of sound
    this.read = 0;              // in the first of them
    this.length = 0;            // samples that wait
    this.ahead = 0;             // samples taken in since the beginning, dropped ones included
    this.marks = [];            // [position in `ahead`, name]
    this.heard = new Past(2 * this.down_reach + 2);
    this.phase = 0;             // of the output, in samples of the line
    this.muted = false;
    this.mouth = this.ear = 0;  // energy since the last level
    this.frames = 0;
    this.port.onmessage = ({ data }) => this.take(data);
  }

  take({ sound, mark, clear, muted }) {
    if (sound) {
      const samples = this.code.samples(sound);
      if (this.length + samples.length <= WAITING_MAX_S * this.code.hz) {
        this.waiting.push(samples);
        this.length += samples.length;
        this.ahead += samples.length;
      }
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
    const { spoken, ratio, up_reach, up_scale } = this;
    spoken.push(this.muted ? 0 : sample);
    while (spoken.count > this.next * ratio + up_reach) {
      const centre = this.next * ratio, from = Math.ceil(centre - up_reach), to = centre + up_reach;
      let sum = 0;
      for (let n = from; n < to; n++) sum += spoken.at(n) * kernel((n - centre) / up_scale);
      this.next++;
      this.send(sum / up_scale);
    }
  }

  send(sample) {
    this.mouth += sample * sample;
    this.code.put(this.frame, this.filled++, sample);
    if (this.filled < this.frame_size) return;
    this.port.postMessage({ frame: new Uint8Array(this.frame.buffer.slice(0)) });
    this.filled = 0;
    if (++this.frames % LEVEL_EVERY) return;
    const level = (energy, of) => Math.sqrt(energy / of);
    this.port.postMessage({
      mouth: level(this.mouth, LEVEL_EVERY * this.frame_size),
      ear: level(this.ear, LEVEL_EVERY * this.frame_size * this.ratio),
    });
    this.mouth = this.ear = 0;
  }

  listen() {
    const { heard, down_reach, down_scale } = this;
    this.phase += 1 / this.ratio;
    while (this.phase >= 1) {
      this.phase -= 1;
      heard.push(this.taken());
    }
    const newest = heard.count - 1, centre = newest - down_reach + this.phase;
    let sum = 0;
    for (let n = newest - 2 * down_reach + 1; n <= newest; n++) sum += heard.at(n) * kernel((n - centre) / down_scale);
    sum /= down_scale;
    this.ear += sum * sum;
    return sum;
  }

  taken() {
    if (!this.length) return 0;
    const sample = this.code.decode(this.waiting[0][this.read++]);
    this.length--;
    if (this.read === this.waiting[0].length) {
      this.waiting.shift();
      this.read = 0;
    }
    return sample;
  }
}

registerProcessor("line", Line);
