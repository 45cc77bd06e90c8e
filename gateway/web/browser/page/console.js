// The operators' console: one page over /api. Everything from a call is text, never markup.

import * as deliveries from "./deliveries.js";
import * as filters from "./filters.js";
import * as recording from "./recording.js";

const $ = (id) => document.getElementById(id);
const LISTS = ["timeline", "latency", "interruptions", "tool_calls", "approvals", "hand_overs", "transcript", "messages"];
const STAGES = ["detection", "model", "gateway", "playback"];
const GOAL_MS = 1200, SLOW_MS = 2000;  // as in k8s/generate/objectives.py
const BAR_MS = 2 * GOAL_MS;   // the mark in the middle of a bar is the goal
const DETAILS_AT_ONCE = 24, RETRY_MS = [500, 1000, 2000, 5000];
const calls = new Map();      // id -> record; without lists while only its summary is known
const offset = new Map();     // id -> seconds of this page's clock when the call was announced
let token = sessionStorage.getItem("token") ?? "";
let following = null, elsewhere = new Set();  // the next page of ended calls; calls of other processes
let chosen = null, agents = [], skew = 0, watching = null;
let operator = { name: "", role: "viewer" };
let matching = null;          // ids of the calls that a filter lets through; null without one
const acts = () => operator.role !== "viewer";

// --- Asking the gateway ---

class Refused extends Error {
  constructor(status, detail) { super(detail); this.status = status; }
}

// What was asked with a token is of no use to whoever has another one, or has signed out.
async function ask(path, options = {}) {
  const asking = token;
  if (!asking) throw new Refused(0, "Not signed in.");
  const headers = { Authorization: `Bearer ${token}`, ...options.headers };
  const response = await fetch(path, { cache: "no-store", ...options, headers });
  if (token !== asking) throw new Refused(0, "Signed out meanwhile.");
  const date = Date.parse(response.headers.get("date"));
  if (date) skew = Math.abs(date - Date.now()) > 1500 ? date - Date.now() : 0;
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new Refused(response.status, problem.detail ?? `The gateway answers ${response.status}.`);
}

async function get(path) {
  const asking = token, found = await (await ask(path)).json();
  if (token !== asking) throw new Refused(0, "Signed out meanwhile.");
  return found;
}

let lists = 0;  // how many were asked for: an answer from before the last one does not belong to it

async function load() {
  const nth = ++lists;
  operator = await get("/api/operator");
  paintOperator();
  agents = (await get("/api/agents")).agents;
  filters.offer(agents);
  offerAgents();
  const page = await get(`/api/calls?${filters.query({ limit: 200 })}`), listed = page.calls;
  if (nth !== lists) return;
  following = page.next;
  elsewhere = new Set(page.elsewhere);
  matching = filters.active() ? new Set(listed.map((one) => one.id)) : null;
  for (const id of [...calls.keys()]) if (id !== chosen && !listed.some((one) => one.id === id)) calls.delete(id);
  for (const one of listed) calls.set(one.id, { ...calls.get(one.id), ...one });
  const live = listed.filter((one) => one.state !== "ended").slice(0, DETAILS_AT_ONCE);
  await Promise.all(live.map((one) => detail(one.id)));
  if (chosen && calls.has(chosen)) await detail(chosen);
}

async function more() {
  const nth = lists, from = following;
  const page = await get(`/api/calls?${filters.query({ state: "ended", limit: 200, cursor: from })}`);
  if (nth !== lists || from !== following) return;
  following = page.next;
  for (const one of page.calls) matching?.add(one.id);
  for (const one of page.calls) calls.set(one.id, { ...calls.get(one.id), ...one });
  paint();
}

async function detail(id) {
  try {
    const record = await get(`/api/calls/${encodeURIComponent(id)}`);
    const known = calls.get(id);
    calls.set(id, record);
    // Events that came meanwhile may be newer than the answer.
    for (const part of LISTS) for (const one of known?.[part] ?? []) add(record, part, one);
    if (known?.state === "ended" && record.state !== "ended") Object.assign(record, known);
  } catch (error) {
    if (error.status !== 404) throw error;
    calls.delete(id);
  }
}

function add(record, part, value) {
  const list = (record[part] ??= []);
  const same = part === "timeline"
    ? list.findLastIndex((one) => one.who === value.who && one.from_s === value.from_s)
    : part === "approvals"
      ? list.findIndex((one) => one.id === value.id)
      : list.findIndex((one) => JSON.stringify(one) === JSON.stringify(value));
  if (same < 0) list.push(value);
  else if (part === "approvals") list[same] = list[same].outcome ? list[same] : value;
  else if (part !== "timeline" || list[same].to_s === null) list[same] = value;
}

function apply({ call, part, value, at_s, remote }) {
  if (remote) elsewhere.add(call); else elsewhere.delete(call);
  if (part === "gone") {
    calls.delete(call);
    if (chosen === call) choose(null);
    return paint();
  }
  const record = calls.get(call) ?? Object.fromEntries(LISTS.map((name) => [name, []]));
  calls.set(call, record);
  if (at_s !== undefined) offset.set(call, now() - at_s);
  if (part === "summary" && matching) lookAgain();
  if (part === "summary") Object.assign(record, value);
  else if (part === "privacy" || part === "result" || part === "recording") record[part] = value;
  else if (part === "timeline" && value.to_s === null) reopen(record, value);
  else add(record, part, value);
  paint();
}

// Whether a call that has changed belongs in a filtered list, the gateway knows: it has the numbers.
let lookingAgain = 0;
function lookAgain() {
  lookingAgain ||= setTimeout(() => { lookingAgain = 0; load().then(paint, () => {}); }, 1000);
}

function reopen(record, span) {
  const list = (record.timeline ??= []);
  const at = list.findLastIndex((one) => one.who === span.who && one.from_s === span.from_s);
  if (at < 0) list.push(span); else list[at] = span;
}

async function watch() {
  const mine = (watching = new AbortController());
  for (let tries = 0; !mine.signal.aborted; tries++) {
    try {
      const response = await ask("/api/events", { signal: mine.signal });
      await load();
      paint();
      status("up", "connected");
      tries = 0;
      await read(response.body, apply);
      status("lost", "connection lost");
    } catch (error) {
      if (mine.signal.aborted) return;
      if (error.status === 401) return leave(error.message);
      status("lost", error instanceof Refused ? error.message : "connection lost, trying again");
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS[Math.min(tries, 3)]));
  }
}

async function read(body, hear) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) if (event.startsWith("data: ")) hear(JSON.parse(event.slice(6)));
  }
}

// --- Coming and going ---

$("enter").addEventListener("submit", async (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  $("refused").textContent = "";
  try {
    await ask("/api/agents");
  } catch (error) {
    $("refused").textContent = error.status === 401 ? "This is not the token." : error.message;
    return $("token").select();
  }
  sessionStorage.setItem("token", token);
  $("token").value = "";
  enter();
});

function enter() {
  $("sign-in").hidden = true;
  for (const id of ["console", "leave", "outbox"]) $(id).hidden = false;
  status("", "connecting");
  watch();
}

function leave(reason = "") {
  watching?.abort();
  sessionStorage.removeItem("token");
  token = "";
  calls.clear();
  choose(null);
  operator = { name: "", role: "viewer" };
  matching = null;
  paintOperator();
  filters.forget();
  for (const id of ["console", "leave", "outbox"]) $(id).hidden = true;
  $("sign-in").hidden = false;
  $("refused").textContent = reason;
  status("", "not connected");
  $("token").focus();
}

function paintOperator() {
  set($("operator"), operator.name && `${operator.name}, ${operator.role}`);
  $("operator").title = { viewer: "Sees calls, and no words", operator: "Sees and acts", admin: "May do everything" }[operator.role];
  $("invite").hidden = !acts();
}

$("more").addEventListener("click", async () => {
  $("more").disabled = true;
  await more().catch((error) => status("lost", error.message));
  $("more").disabled = false;
});

// Another process has the call: of its changes only the summary comes by itself.
setInterval(() => {
  if (token && chosen && elsewhere.has(chosen) && openCall()?.state !== "ended") detail(chosen).then(paint, () => {});
}, 3000);

$("leave").addEventListener("click", () => leave());

function status(kind, text) {
  $("link").className = `link ${kind}`;
  if ($("link").textContent !== text) $("link").textContent = text;
}

// --- Painting ---

let due = false;
function paint() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => { due = false; paintLists(); paintCall(); animate(); });
}

const now = () => (performance.timeOrigin + performance.now()) / 1000;

function clock(record) {
  if (record.state === "ended") return length(record);
  if (!offset.has(record.id)) offset.set(record.id, Date.parse(record.began_at) / 1000 - skew / 1000);
  return Math.max(0, now() - offset.get(record.id));
}

function length(record) {
  const last = record.timeline?.reduce((most, one) => Math.max(most, one.to_s ?? 0), 0) ?? 0;
  return Math.max(last, (record.arrived_s ?? 0) + (record.seconds ?? 0));
}

function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

const coming = (record) => record.direction !== "outbound" ? "arriving"
  : record.answered_s !== null ? "answered" : record.rings_s !== null ? "ringing" : "calling";
const between = (record) => record.path === "browser" ? "from a browser" : record.direction === "outbound"
  ? `we called ${record.caller} from ${record.dialled}` + (record.answered_by ? ` (${record.answered_by})` : "")
  : `${record.caller} to ${record.dialled}`;
const talked = (record) => record.state === "expected" ? 0
  : record.state === "ended" ? record.seconds ?? 0 : clock(record) - (record.arrived_s ?? 0);
const words = (name) => (name ?? "").replaceAll("_", " ");
const ms = (value) => value === null || value === undefined ? "–" : `${value} ms`;

function make(tag, name = "", text = "") {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.textContent = text;
  return element;
}

// An event can come before the record of its call, or after it was forgotten: there is a part, and no whole.
const whole = (record) => record?.began_at !== undefined;
const openCall = () => whole(calls.get(chosen)) ? calls.get(chosen) : undefined;

function paintLists() {
  const shown = [...calls.values()].filter((one) => whole(one) && (!matching || matching.has(one.id)));
  const all = shown.sort((a, b) => (b.began_at ?? "").localeCompare(a.began_at ?? ""));
  const live = all.filter((one) => one.state !== "ended");
  fill($("live"), live);
  fill($("ended"), all.filter((one) => one.state === "ended"));
  $("live-count").textContent = live.length;
  $("live-none").hidden = live.length > 0;
  $("ended-none").hidden = live.length < all.length;
  $("more").hidden = !following;
  document.title = live.length ? `${live.length} live – gateway console` : "gateway console";
}

function fill(list, records) {
  const cards = new Map([...list.children].map((item) => [item.dataset.id, item]));
  const wanted = new Set(records.map((one) => one.id));
  for (const [id, item] of cards) if (!wanted.has(id)) item.remove();
  records.forEach((record, at) => {
    const item = cards.get(record.id) ?? card(record);
    renew(item, record);
    if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null);
  });
}

function card(record) {
  const item = make("li"), button = make("button", "card");
  item.dataset.id = record.id;
  button.type = "button";
  button.append(make("strong"), make("span", "time"), make("small"), make("span", "end"));
  button.append(make("span", "asks"));
  if (record.state !== "ended") button.append(make("canvas"));
  button.querySelector("canvas")?.setAttribute("aria-hidden", "true");
  button.addEventListener("click", () => choose(record.id, true));
  item.append(button);
  return item;
}

function renew(item, record) {
  const button = item.firstChild, end = button.querySelector(".end");
  button.setAttribute("aria-current", String(record.id === chosen));
  set(button.querySelector("strong"), record.agent ?? "");
  set(button.querySelector(".time"), span(talked(record)));
  const who = record.path === "browser" ? "browser" : record.caller || "number withheld";
  set(button.querySelector("small"), `${record.direction === "outbound" ? "to" : "from"} ${who} · ${when(record.began_at)}`);
  set(end, record.state === "ended" ? words(record.ending) : record.state === "expected" ? coming(record) : "");
  end.classList.toggle("bad", record.well === false);
  set(button.querySelector(".asks"), waits(record).length ? "Tool approval pending" : "");
}

const set = (element, text) => { if (element.textContent !== text) element.textContent = text; };
// Made once: `toLocaleString` makes one for each call, which takes a millisecond, and every event
// paints hundreds of cards.
const CLOCK = { hour: "2-digit", minute: "2-digit" };
const ofToday = new Intl.DateTimeFormat([], CLOCK);
const ofAnotherDay = new Intl.DateTimeFormat([], { day: "numeric", month: "short", ...CLOCK });
const ofAnyTime = new Intl.DateTimeFormat([], { dateStyle: "short", timeStyle: "medium" });
const number = new Intl.NumberFormat();
const when = (text) => {
  const at = new Date(text);
  if (Number.isNaN(at.valueOf())) return "";
  return (at.toDateString() === new Date().toDateString() ? ofToday : ofAnotherDay).format(at);
};

function paintCall() {
  const record = openCall();
  $("call").hidden = !record;
  $("nothing").hidden = Boolean(record);
  $("console").classList.toggle("one", Boolean(record));
  if (!record) return void recording.show(null);
  set($("who"), record.agent);
  set($("what"), `${between(record)} · ${record.path} · ${record.model} · ${ofAnyTime.format(new Date(record.began_at))}`);
  const over = record.state === "ended";
  set($("state"), over ? words(record.ending) : record.state === "expected" ? coming(record) : "live");
  $("state").className = `state ${over ? (record.well === false ? "bad" : "") : "live"}`;
  $("actions").hidden = $("hangup").hidden = over || !acts();
  const sid = record.call_sid || record.id;
  if ($("sid").textContent !== sid) set($("sid-copied"), "");
  set($("sid"), sid);
  $("sid").setAttribute("aria-label", `Copy ${sid}`);
  for (const control of $("actions").querySelectorAll("form button")) control.disabled = record.state !== "talking";
  $("recorded").hidden = !agents.find((one) => one.name === record.agent)?.recorded;
  recording.show(acts() ? record : null);
  paintApprovals(record);
  paintFigures(record);
  paintTranscript(record);
  paintTurns(record);
  canSeek(record);
  const used = record.tool_calls ?? [];
  $("tools").replaceChildren(...used.map((one) => make("li", "", `${words(one.name)} at ${span(one.at_s)}`)));
  $("tools-none").hidden = used.length > 0;
  const left = record.messages ?? [];
  $("messages").replaceChildren(...left.map(message));
  $("messages-title").hidden = $("messages").hidden = !left.length;
  paintResult(record.result);
}

function paintResult(result) {
  $("result-title").hidden = $("result").hidden = !result;
  if (!result) return;
  const rows = Object.entries(result.fields).map(([name, value]) => {
    const item = make("li"), shown = make("p", "", `${words(name)}: ${value === null ? "not said" : typeof value === "object" ? JSON.stringify(value) : value}`);
    shown.dir = "auto";
    item.append(shown);
    for (const one of result.evidence[name] ?? []) {
      const quote = make("small", "", `“${one.quote}”`);
      quote.dir = "auto";
      item.append(quote);
    }
    return item;
  });
  const why = make("li", "", `No result: ${words(result.reason || result.status)}`);
  $("result").replaceChildren(...(result.status === "filed" ? rows : [why]));
}

function message(one) {
  const item = make("li"), text = make("p", "", one.text);
  const from = [one.name, one.callback].filter(Boolean).join(", ");
  text.dir = "auto";
  item.append(text, make("small", "", `${from ? `${from} ` : ""}at ${span(one.at_s)}`));
  return item;
}

const waits = (record) => record.state === "ended" ? [] : (record.approvals ?? []).filter((one) => !one.outcome);

function paintApprovals(record) {
  const box = $("approvals"), waiting = waits(record);
  const known = new Map([...box.children].map((item) => [item.dataset.key, item]));
  const keys = waiting.map((one) => `${record.id} ${one.id}`);
  const held = box.contains(document.activeElement);
  for (const [key, item] of known) if (!keys.includes(key)) item.remove();
  waiting.forEach((one, at) => { if (!known.has(keys[at])) box.append(asked(record.id, one, keys[at])); });
  box.hidden = !waiting.length;
  // After an answer by keyboard the focus moves to the next request, or to the call.
  if (held && !box.contains(document.activeElement)) (box.querySelector("button") ?? $("say-text")).focus();
}

function asked(id, one, key) {
  const item = make("section", "approval"), title = make("h4", "", "Approve this tool call?");
  const what = make("p"), given = make("pre", "", pretty(one.arguments)), row = make("div", "row"), left = make("small", "left");
  item.dataset.key = key;
  item.dataset.until = one.until_s;
  title.id = `approval-${one.id}`;
  item.setAttribute("aria-labelledby", title.id);
  item.setAttribute("role", "group");
  what.append(make("strong", "", one.tool), ` of ${one.server}`);
  given.dir = "auto";
  given.tabIndex = 0;
  given.setAttribute("aria-label", "Arguments");
  for (const [text, approve, name] of [["Approve", true, "main"], ["Deny", false, "quiet"]]) {
    const button = make("button", name, text);
    button.type = "button";
    button.setAttribute("aria-describedby", title.id);
    button.addEventListener("click", () => decide(id, one, approve, row));
    row.append(button);
  }
  item.append(title, what, given, row, left);
  return item;
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

async function decide(id, one, approve, row) {
  if (row.dataset.busy) return;
  row.dataset.busy = "yes";  // not disabled: that would take the focus away
  const path = `/api/calls/${encodeURIComponent(id)}/approvals/${encodeURIComponent(one.id)}`;
  try {
    await ask(path, { method: "POST", ...json({ approve }) });
    showStatus(approve ? "Approved." : "Denied.");
  } catch (error) {
    showStatus(error.message, true);
    delete row.dataset.busy;
  }
}

function paintFigures(record) {
  const slow = record.wait_p95_ms > SLOW_MS ? "slow" : "";
  const figures = [
    ["talking", span(talked(record)), ""],
    ["wait, median", ms(record.wait_p50_ms), record.wait_p50_ms > GOAL_MS ? "slow" : ""],
    ["wait, 95 %", ms(record.wait_p95_ms), slow],
    ["interruptions", String(record.barge_ins), ""],
    ["tokens", number.format(record.tokens), ""],
    ["cost", record.cost_usd === null ? "–" : `$${Number(record.cost_usd).toFixed(4)}`, ""],
  ];
  const list = $("figures");
  if (!list.children.length) {
    for (const [name] of figures) {
      const box = make("div");
      box.append(make("dt", "", name), make("dd"));
      list.append(box);
    }
  }
  figures.forEach(([, value, kind], at) => {
    const place = list.children[at].lastChild;
    set(place, value);
    place.className = kind;
  });
}

function paintTranscript(record) {
  const lines = [...(record.transcript ?? [])].sort((a, b) => a.at_s - b.at_s);
  const list = $("transcript"), low = list.scrollTop + list.clientHeight >= list.scrollHeight - 40;
  const keys = lines.map((line) => JSON.stringify(line));
  const known = new Map([...list.children].map((item) => [item.dataset.key, item]));
  for (const [key, item] of known) if (!keys.includes(key)) item.remove();
  lines.forEach((line, at) => {
    const item = known.get(keys[at]) ?? spoken(line, keys[at]);
    if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null);
  });
  if (low) list.scrollTop = list.scrollHeight;
  $("transcript-none").hidden = lines.length > 0;
  set($("transcript-none"), !acts() ? "Viewers see no words." : record.state === "ended" ? "This agent keeps no transcript." : "No transcript yet.");
}

function spoken(line, key) {
  const item = make("li", line.who), text = make("p", "", line.text);
  item.dataset.key = key;
  text.dir = "auto";
  // Not within the text: its first letter decides on the direction of the line.
  const time = make("time", "", span(line.at_s));
  time.append(make("span", "unseen", line.who === "caller" ? " Caller: " : " Agent: "));
  item.append(time, text);
  return item;
}

function paintTurns(record) {
  const turns = record.latency ?? [];
  $("turns-none").hidden = turns.length > 0;
  if ($("turns").children.length === turns.length && $("turns").dataset.id === record.id) return;
  $("turns").dataset.id = record.id;
  $("turns").replaceChildren(...turns.map(measured));
  $("turns").scrollTop = $("turns").scrollHeight;
}

function measured(turn) {
  const item = make("li"), bar = make("span", "bar-of");
  for (const stage of STAGES) {
    const part = make("span", stage);
    part.style.width = `${Math.min(100, (100 * turn[`${stage}_ms`]) / BAR_MS)}%`;
    bar.append(part);
  }
  bar.title = STAGES.map((stage) => `${stage} ${turn[`${stage}_ms`]} ms`).join(", ");
  bar.setAttribute("role", "img");
  bar.setAttribute("aria-label", bar.title);
  item.append(make("span", "nth", String(turn.number)), bar, make("span", `ms${turn.wait_ms > SLOW_MS ? " slow" : ""}`, ms(turn.wait_ms)));
  return item;
}

// --- The moving picture ---

const LIVE_WINDOW_S = 30, CARD_WINDOW_S = 20;
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const MOVING_MS = 40, CALM_MS = 1000;  // until the next frame of the screen is asked for
let drawing = 0;

// Without a call that goes on, only `paint` draws: who asks for every frame keeps the machine awake.
function animate() {
  clearTimeout(drawing);
  if ($("console").hidden) return;
  const live = $("live").children.length > 0 || (openCall()?.state ?? "ended") !== "ended";
  if (live) drawing = setTimeout(() => requestAnimationFrame(animate), calm.matches ? CALM_MS : MOVING_MS);
  for (const item of $("live").children) {
    const record = calls.get(item.dataset.id);
    if (!record) continue;
    draw(item.querySelector("canvas"), record, CARD_WINDOW_S, false);
    set(item.querySelector(".time"), span(talked(record)));
  }
  const record = openCall();
  if (!record) return;
  for (const item of $("approvals").children) {
    const left_s = Math.max(0, Math.round(item.dataset.until - clock(record)));
    set(item.querySelector(".left"), `${left_s} s left; then it is denied.`);
  }
  draw($("score"), record, record.state === "ended" ? Math.max(10, length(record)) : LIVE_WINDOW_S, true);
  lamps(record);
  if (record.state === "talking" && $("figures").firstChild) set($("figures").firstChild.lastChild, span(talked(record)));
}

function lamps(record) {
  const speaks = (who) => record.state === "talking" && record.timeline?.findLast((one) => one.who === who)?.to_s === null;
  for (const who of ["caller", "model"]) $(`lamp-${who}`).classList.toggle("on", speaks(who));
  const said = speaks("caller") ? (speaks("model") ? "Both speak" : "The caller speaks") : speaks("model") ? "The agent speaks" : "Nobody speaks";
  set($("floor"), said);
  const label = record.state === "ended" ? `Who spoke when, in ${span(length(record))}` : said;
  if ($("score").getAttribute("aria-label") !== label) $("score").setAttribute("aria-label", label);
}

function draw(canvas, record, window_s, large) {
  const scale = devicePixelRatio || 1, { clientWidth: width, clientHeight: height } = canvas;
  if (!width) return;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const pen = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
  const ink = (name) => resolved(style, name);
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  const to_s = clock(record), from_s = record.state === "ended" ? 0 : to_s - window_s;
  const x = (s) => ((s - from_s) / window_s) * width;
  const foot = large ? 20 : 0, lane = (height - foot) / 2;
  if (large) ruler(pen, ink, x, from_s, from_s + window_s, width, height, foot);
  pen.fillStyle = ink("--line");
  for (const at of [0, 1]) pill(pen, 0, lane * at + lane / 2 - 1, width, 2, 1);
  for (const one of record.timeline ?? []) {
    const end = one.to_s ?? to_s;
    if (end < from_s) continue;
    pen.fillStyle = ink(one.who === "caller" ? "--caller" : "--model");
    const thick = large ? 26 : 9, top = (one.who === "caller" ? 0 : lane) + (lane - thick) / 2;
    pill(pen, x(one.from_s), top, Math.max(3, x(end) - x(one.from_s)), thick, thick / 2);
  }
  if (!large) return;
  pen.fillStyle = ink("--ink");
  for (const one of record.interruptions ?? []) if (one.at_s >= from_s) pill(pen, x(one.at_s) - 1, lane - 9, 2, 18, 1);
}

function ruler(pen, ink, x, from_s, to_s, width, height, foot) {
  const steps = [5, 10, 30, 60, 120, 300, 600, 1200], span_s = to_s - from_s;
  const step = steps.find((one) => (one / span_s) * width >= 56) ?? 1800;
  pen.fillStyle = ink("--soft");
  pen.font = "12px system-ui, 'Noto Sans', 'DejaVu Sans', sans-serif";
  pen.textAlign = "center";
  for (let at = Math.max(0, Math.ceil(from_s / step) * step); at <= to_s; at += step) {
    const place = x(at);
    if (place < 14 || place > width - 14) continue;
    pen.globalAlpha = 0.25;
    pen.fillRect(place, 0, 1, height - foot);
    pen.globalAlpha = 1;
    pen.fillText(span(at), place, height - 4);
  }
}

function pill(pen, x, y, width, height, round) {
  pen.beginPath();
  pen.roundRect(x, y, width, height, Math.min(round, width / 2));
  pen.fill();
}

// light-dark() has to be resolved by the style of an element before a canvas can use it.
const inks = new Map();
const probe = make("i");
function resolved(_style, name) {
  if (!inks.has(name)) {
    if (!probe.isConnected) { probe.hidden = true; document.body.append(probe); }
    probe.style.color = `var(${name})`;
    inks.set(name, getComputedStyle(probe).color);
  }
  return inks.get(name);
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { inks.clear(); paint(); });
addEventListener("resize", paint);

// --- Choosing, by pointer and by keyboard ---

async function choose(id, focus = false) {
  chosen = id;
  showStatus("");
  const record = calls.get(id);
  $("targets").replaceChildren();
  for (const name of agents.find((one) => one.name === record?.agent)?.transfers ?? []) {
    const option = make("option");
    option.value = name;
    $("targets").append(option);
  }
  paint();
  if (record && !record.timeline) await detail(id).catch((error) => showStatus(error.message, true));
  paint();
  if (focus && matchMedia("(max-width: 860px)").matches) {
    requestAnimationFrame(() => { scrollTo(0, 0); $("call").focus({ preventScroll: true }); });
  }
}

function back() {
  const card = document.querySelector('.card[aria-current="true"]');
  choose(null);
  requestAnimationFrame(() => card?.focus());
}

$("back").addEventListener("click", back);
document.addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "Escape" && chosen) back();
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const cards = [...document.querySelectorAll(".card")];
  // Arrows belong to fields and to scrolled lists that have the focus; without one, to the calls.
  const here = document.activeElement?.closest?.(".card");
  const free = here || document.activeElement === document.body || document.activeElement === $("calls");
  if (!step || !free || !cards.length) return;
  event.preventDefault();
  const from = cards.indexOf(here ?? document.querySelector('.card[aria-current="true"]'));
  cards[from < 0 ? 0 : Math.min(cards.length - 1, Math.max(0, from + step))].focus();
});

$("sid").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText($("sid").textContent);
    set($("sid-copied"), "Copied.");
  } catch {
    getSelection().selectAllChildren($("sid"));
    set($("sid-copied"), "Press Ctrl+C to copy it.");
  }
});

// --- A recording: turns and words lead to their moment ---

recording.prepare({ ask, time: span, ink: (name) => resolved(null, name) });

function leadsTo(list, moment) {
  const go = (event) => {
    const item = event.target.closest("li");
    const at_s = item && recording.has() ? moment(item) : null;
    if (at_s !== null && at_s !== undefined) recording.seek(at_s);
    return at_s;
  };
  $(list).addEventListener("click", go);
  $(list).addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.tagName === "LI" && go(event) !== null) event.preventDefault();
  });
}

leadsTo("transcript", (item) => JSON.parse(item.dataset.key).at_s);
// A turn is measured when its answer is heard: it begins before its wait, with what the caller said.
leadsTo("turns", (item) => {
  const turn = openCall()?.latency?.[[...$("turns").children].indexOf(item)];
  return turn && Math.max(0, turn.at_s - turn.wait_ms / 1000 - 1);
});

function canSeek(record) {
  for (const list of ["transcript", "turns"]) {
    const seekable = Boolean(record.recording) && acts();
    $(list).classList.toggle("seekable", seekable);
    for (const item of $(list).children) item.tabIndex = seekable ? 0 : -1;
  }
}

for (const [id, paused, done] of [["pause-recording", true, "Nothing is recorded now."], ["resume-recording", false, "The call is recorded again."]]) {
  $(id).addEventListener("click", () => act("recording", done, json({ paused })));
}

// --- Acting ---

function showStatus(text, bad = false) {
  set($("status"), text);
  $("status").classList.toggle("bad", bad);
}

async function act(action, done, options = {}, query = "") {
  try {
    await ask(`/api/calls/${encodeURIComponent(chosen)}/${action}${query}`, { method: "POST", ...options });
    showStatus(done);
    return true;
  } catch (error) {
    showStatus(error.message, true);
    return false;
  }
}

const json = (body) => ({ body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });

function onSubmit(id, handle) {
  $(id).addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = $(id).querySelector("button");
    button.disabled = true;
    if (await handle()) $(id).reset();
    button.disabled = openCall()?.state !== "talking";
  });
}

onSubmit("say", () => act("say", "The agent says it next.", json({ text: $("say-text").value })));
onSubmit("transfer", () => act("transfer", "The caller is told and transferred.", json({ to: $("transfer-to").value.trim() })));
onSubmit("image", () => {
  const file = $("image-file").files[0];
  const query = `?about=${encodeURIComponent($("image-about").value.trim())}`;
  return act("image", "The agent looks at it.", { body: file, headers: { "Content-Type": file.type } }, query);
});
$("say-text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); $("say").requestSubmit(); }
});
$("hangup").addEventListener("click", () => { $("sure").returnValue = ""; $("sure").showModal(); });
$("sure").addEventListener("close", () => {
  if ($("sure").returnValue === "yes") act("hangup", "The call is ended.");
  $("hangup").focus();
});

// --- A link to call by ---

// The dialog may be open before they are known, and they change when the agents file is read again.
function offerAgents() {
  const picked = $("phone-agent").value;
  const names = agents.map((agent) => Object.assign(make("option", "", agent.name), { value: agent.name }));
  $("phone-agent").replaceChildren(...names);
  if (agents.some((agent) => agent.name === picked)) $("phone-agent").value = picked;
  else if (picked) offer("");
}

$("invite").addEventListener("click", () => {
  offer("");
  $("phone").showModal();
});

function offer(url, status = "", wrong = false) {
  $("phone-url").value = url;
  $("phone-open").href = url || "#";
  for (const id of ["phone-made", "phone-open"]) $(id).hidden = !url;
  $("phone-status").textContent = status;
  $("phone-status").classList.toggle("wrong", wrong);
}

for (const id of ["phone-agent", "phone-seconds"]) $(id).addEventListener("change", () => offer(""));
$("phone-make").addEventListener("click", async () => {
  const picked = () => ({ agent: $("phone-agent").value, seconds: Number($("phone-seconds").value) });
  const wanted = JSON.stringify(picked());
  try {
    const made = await (await ask("/api/phone", { method: "POST", ...json(picked()) })).json();
    if (JSON.stringify(picked()) !== wanted) return;
    offer(made.url, `It works until ${new Date(made.expires_at).toLocaleString()}.`);
    $("phone-url").select();
  } catch (error) {
    offer("", error.message, true);
  }
});
$("phone-copy").addEventListener("click", async () => {
  $("phone-url").select();
  try {
    await navigator.clipboard.writeText($("phone-url").value);
    $("phone-status").textContent = "Copied.";
  } catch {
    $("phone-status").textContent = "Press Ctrl+C to copy it.";
  }
});

filters.prepare(() => load().then(paint));
deliveries.prepare({ ask, may: acts });

if (token) enter(); else $("token").focus();
