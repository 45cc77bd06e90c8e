'use strict';
(() => {
  const words = JSON.parse(document.body.dataset.words);
  const $ = (id) => document.getElementById(id);
  const there = location.pathname;
  const PHOTO_SIDE = 1600;
  const FRAME_SIDE = 768;
  const FRAME_EVERY_MS = 1000;
  const LOOK_EVERY_MS = 15000;
  const BREAK_MS = 2000; // a line that breaks is taken up again: only then is the call over
  let stream = null;
  let holds = 0;
  let held = 0; // the number of the hold that lasts, 0 when the button is up
  let sending = Promise.resolve('');
  let frameAtMs = 0;
  let over = false;

  function showStatus(name, mood) {
    const status = $('status');
    status.className = mood || '';
    status.textContent = words[name];
  }

  // --- What is sent ---

  const REASONS = {
    404: 'over', 410: 'over', 403: 'enough', 413: 'too_large', 415: 'not_a_picture',
    422: 'not_a_picture', 429: 'too_often', 503: 'busy',
  };

  async function post(blob, query) {
    const response = await fetch(there + query, {
      method: 'POST', body: blob, headers: { 'Content-Type': blob.type }, cache: 'no-store',
    });
    if (response.ok) return '';
    return REASONS[response.status] || 'failed';
  }

  /** Small before it travels, and without what a camera writes into a file: place, time, owner. */
  function drawn(source, width, height, side) {
    const shrink = Math.min(1, side / Math.max(width, height));
    const canvas = document.createElement('canvas');
    canvas.width = Math.max(1, Math.round(width * shrink));
    canvas.height = Math.max(1, Math.round(height * shrink));
    canvas.getContext('2d').drawImage(source, 0, 0, canvas.width, canvas.height);
    return new Promise((done) => canvas.toBlob(done, 'image/jpeg', 0.85));
  }

  async function small(file) {
    try {
      const picture = await createImageBitmap(file);
      const blob = await drawn(picture, picture.width, picture.height, PHOTO_SIDE);
      picture.close();
      if (blob) return blob;
    } catch { /* a kind that this telephone cannot read: perhaps the gateway can */ }
    return file;
  }

  async function send(input) {
    const file = input.files[0];
    input.value = '';
    if (!file) return;
    showStatus('sending');
    $('actions').inert = true;
    let reason = 'failed';
    try {
      const blob = await small(file);
      see(blob);
      reason = await post(blob, '');
    } catch { /* shown below */ }
    $('actions').inert = false;
    if (reason === 'over') {
      if (await isOver()) return end();
      reason = 'failed';
    }
    showStatus(reason || 'sent', reason ? 'bad' : 'good');
    input.focus();
  }

  function see(blob) {
    const picture = $('picture');
    if (picture.src) URL.revokeObjectURL(picture.src);
    picture.src = URL.createObjectURL(blob);
    picture.hidden = $('view').hidden = false;
  }

  // --- The camera, as long as the button is held ---

  async function hold() {
    if (held || over) return;
    const mine = held = ++holds;
    let seen = null;
    try {
      seen = await navigator.mediaDevices.getUserMedia({
        video: { facingMode: 'environment', width: { ideal: 1280 } }, audio: false,
      });
    } catch {
      if (held === mine) held = 0;
      return showStatus('no_camera', 'bad');
    }
    if (held !== mine) return seen.getTracks().forEach((track) => track.stop());
    stream = seen;
    const camera = $('camera');
    camera.srcObject = stream;
    $('picture').hidden = true;
    camera.hidden = $('view').hidden = false;
    try {
      await camera.play();
    } catch {  // let go before it began, or it gives no picture
      if (held !== mine) return;
      release();
      return showStatus('no_camera', 'bad');
    }
    if (held !== mine) return;
    $('show').setAttribute('aria-pressed', 'true');
    $('show').textContent = words.showing;
    showStatus('camera_on', 'good');
    while (held === mine) {
      const reason = await (sending = sending.then(() => (held === mine ? frame(camera) : '')));
      if (reason === 'over' && await isOver()) return end();
      if (held === mine && reason && !['over', 'too_often', 'busy'].includes(reason)) {
        release();
        return showStatus(reason, 'bad');
      }
    }
  }

  /**
   * One at a time, at the pace that the gateway takes, however often the button is pressed.
   * The next is taken when this one has arrived, so the newest is never late.
   */
  async function frame(camera) {
    await new Promise((next) => setTimeout(next, frameAtMs - performance.now()));
    if (!held) return '';
    frameAtMs = performance.now() + FRAME_EVERY_MS;
    try {
      const blob = await drawn(camera, camera.videoWidth, camera.videoHeight, FRAME_SIDE);
      if (!blob || !held) return '';
      return await post(blob, '?camera=1');
    } catch {
      return 'failed';
    }
  }

  function release() {
    if (!held) return;
    held = 0;
    stop();
    if (!over) showStatus('camera_off');
  }

  function stop() {
    if (stream) stream.getTracks().forEach((track) => track.stop());
    stream = null;
    $('camera').srcObject = null;
    $('camera').hidden = true;
    $('view').hidden = $('picture').hidden;
    $('show').setAttribute('aria-pressed', 'false');
    $('show').textContent = words.show;
  }

  // --- The end ---

  function end() {
    over = true;
    held = 0;
    stop();
    document.title = $('title').textContent = words.over_title;
    $('status').className = '';
    $('status').textContent = words.over;
    for (const name of ['actions', 'view']) $(name).hidden = true;
    document.querySelector('.lead').hidden = true;
    $('title').focus();
  }

  async function isGone() {
    try {
      const response = await fetch(there, { method: 'HEAD', cache: 'no-store' });
      return response.status === 410 || response.status === 404;
    } catch {
      return false; // no network for a moment
    }
  }

  async function isOver() {
    await new Promise((next) => setTimeout(next, BREAK_MS));
    return isGone();
  }

  async function look() {
    if (over || document.hidden) return;
    if (await isGone() && await isOver()) end();
  }

  for (const id of ['take', 'choose']) $(id).addEventListener('change', (event) => send(event.target));
  const show = $('show');
  if (!navigator.mediaDevices) show.hidden = $('holds').hidden = true;
  show.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    show.setPointerCapture(event.pointerId);
    hold();
  });
  for (const kind of ['pointerup', 'pointercancel', 'lostpointercapture', 'blur']) show.addEventListener(kind, release);
  show.addEventListener('contextmenu', (event) => event.preventDefault());
  show.addEventListener('keydown', (event) => {
    if (event.key !== ' ' && event.key !== 'Enter') return;
    event.preventDefault();
    hold();
  });
  show.addEventListener('keyup', release);
  window.addEventListener('pagehide', release);
  document.addEventListener('visibilitychange', () => { if (document.hidden) release(); else look(); });
  setInterval(look, LOOK_EVERY_MS);
})();
