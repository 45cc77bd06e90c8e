// Events that wait or were given up, and sending them again.

const $ = (id) => document.getElementById(id);
let tools = null, following = null;

// `ask` is the console's request, `may` whether this operator acts.
export function prepare(given) {
  tools = given;
  $("outbox").addEventListener("click", () => { $("deliveries").showModal(); first(); });
  $("deliveries-state").addEventListener("change", first);
  $("deliveries-more").addEventListener("click", () => load(following));
  $("deliveries-all").addEventListener("click", all);
}

const say = (text, wrong = false) => {
  $("deliveries-status").textContent = text;
  $("deliveries-status").classList.toggle("wrong", wrong);
};

async function first() {
  $("deliveries-list").replaceChildren();
  say("");
  await load(null);
}

async function load(cursor) {
  const query = new URLSearchParams({ state: $("deliveries-state").value, limit: 50, ...(cursor && { cursor }) });
  try {
    const page = await (await tools.ask(`/api/deliveries?${query}`)).json();
    following = page.next;
    $("deliveries-list").append(...page.deliveries.map(line));
    if (!$("deliveries-list").children.length) say(`Nothing is ${$("deliveries-state").value}.`);
  } catch (error) {
    say(error.message, true);
  }
  paint();
}

function paint() {
  $("deliveries-more").hidden = !following;
  $("deliveries-all").hidden = !tools.may() || $("deliveries-list").children.length < 2;
}

function line(one) {
  const item = document.createElement("li"), what = document.createElement("div");
  const why = one.last_status ? `the receiver answered ${one.last_status}` : one.last_error.replaceAll("_", " ");
  item.dataset.id = one.id;
  for (const [tag, text] of [
    ["strong", one.type],
    ["small", `${new Date(one.created_at).toLocaleString()} · ${one.attempts} ${one.attempts === 1 ? "attempt" : "attempts"}${why ? ` · ${why}` : ""}`],
    ["small", `call ${one.call}`],
  ]) what.append(Object.assign(document.createElement(tag), { textContent: text }));
  item.append(what);
  if (tools.may()) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Send again" });
    button.setAttribute("aria-label", `Send ${one.type} of ${one.call} again`);
    button.addEventListener("click", () => again(item));
    item.append(button);
  }
  return item;
}

async function again(item) {
  try {
    await tools.ask(`/api/deliveries/${encodeURIComponent(item.dataset.id)}/retry`, { method: "POST" });
    item.remove();
    say("It is sent again.");
  } catch (error) {
    say(error.message, true);
    return false;
  }
  paint();
  return true;
}

async function all() {
  const items = [...$("deliveries-list").children];
  let sent = 0;
  $("deliveries-all").disabled = true;
  for (const item of items) {
    if (!(await again(item))) break;
    sent += 1;
  }
  $("deliveries-all").disabled = false;
  if (sent === items.length) say(`${sent} events are sent again.`);
}
