// The filter over the list of calls: its fields, as the query of GET /api/calls.

const $ = (id) => document.getElementById(id);
const FIELDS = ["state", "agent", "path", "ending", "since", "until", "caller"];
let applied = {};

function read() {
  const found = {};
  for (const name of FIELDS) {
    const value = $(`filter-${name}`).value.trim();
    if (value) found[name] = name === "since" || name === "until" ? new Date(value).toISOString() : value;
  }
  return found;
}

export const active = () => Object.keys(applied).length > 0;

// With `more` of its own, such as a cursor.
export const query = (more = {}) => String(new URLSearchParams({ ...applied, ...more }));

export function prepare(changed) {
  const apply = async () => {
    applied = read();
    const names = Object.keys(applied);
    $("filter-says").textContent = names.length ? `by ${names.join(", ")}` : "";
    $("filter-status").textContent = "";
    try {
      await changed();
    } catch (error) {
      $("filter-status").textContent = error.message;
    }
  };
  $("filter").addEventListener("submit", (event) => { event.preventDefault(); apply(); });
  // The fields are empty once the event is over.
  $("filter").addEventListener("reset", () => setTimeout(apply));
}

export function offer(agents) {
  const kept = $("filter-agent").value, options = agents.map((one) => new Option(one.name, one.name));
  $("filter-agent").replaceChildren(new Option("any", ""), ...options);
  $("filter-agent").value = kept;
}

export function forget() {
  applied = {};
  $("filter").reset();
}
