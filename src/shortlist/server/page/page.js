// The page on the public API. Every text from outside is set as text, never as markup.
const at = (id) => document.getElementById(id);
const BUDGETS = [10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 1500, 2000, 3000, 5000, 10000];
let last = null;

function made(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

async function call(path, body) {
  const headers = { "Content-Type": "application/json" };
  if (at("key").value) headers.Authorization = `Bearer ${at("key").value}`;
  const answer = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    const again = answer.headers.get("Retry-After");
    const why = content.error?.message || content.message || content.detail || answer.statusText;
    throw new Error(`${answer.status}: ${why}${again ? ` Try again in ${again} s.` : ""}`);
  }
  return content;
}

const source = () => document.querySelector("[name=source]:checked").value;
const documents = () => at("documents").value.split(/\n\s*\n/).map((text) => text.trim()).filter(Boolean);
const budget = () => BUDGETS[Number(at("budget").value)] ?? null;

function request() {
  const body = { query: at("query").value, model: at("model").value };
  if (budget()) body.budget_ms = budget();
  if (source() === "index") return { path: "/v1/search", body: { ...body, top_k: 10, depth: 50 } };
  return { path: "/shortlist/v1/rerank", body: { ...body, documents: documents(), return_documents: true } };
}

async function rerank(event) {
  event?.preventDefault();
  at("failure").hidden = true;
  at("go").disabled = true;
  try {
    const asked = request();
    const began = performance.now();
    const answer = await call(asked.path, asked.body);
    last = { ...asked, answer };
    show(answer, performance.now() - began);
  } catch (error) {
    at("failure").textContent = error.message;
    at("failure").hidden = false;
    at("results").hidden = true;
  } finally {
    at("go").disabled = false;
  }
}

const placed = (place) => place.path + (place.first_line ? `:${place.first_line}` : "") + (place.heading ? ` · ${place.heading}` : "");

function before(result) {
  if (typeof result.before.rank === "number") return result.before.rank;
  const ranks = Object.values(result.before);
  return ranks.length ? ranks[ranks.length - 1] : result.rank;
}

function show(answer, ms) {
  const results = answer.results;
  at("status").textContent =
    `${results.length} documents by ${answer.model} in ${ms.toFixed(0)} ms; scores are of kind “${answer.score_kind}”` +
    (answer.partial ? `; ${answer.unscored} were not scored in time and keep their order.` : ".");
  at("notes").replaceChildren(...answer.degradations.map((note) => made("li", "", note)));
  at("after").replaceChildren(...results.map(afterCard));
  at("before").replaceChildren(...[...results].sort((a, b) => before(a) - before(b)).map(beforeCard));
  stages(answer.trace);
  at("results").hidden = false;
  requestAnimationFrame(drawMoves);
  at("results").focus({ preventScroll: true });
}

function beforeCard(result) {
  const card = made("li", "card");
  card.dataset.of = result.rank;
  const facts = made("p", "facts");
  facts.append(made("span", "rank", `${before(result)}`));
  card.append(facts, made("p", "text", result.document.text.slice(0, 400)));
  return card;
}

function afterCard(result) {
  const card = made("li", "card");
  card.dataset.of = result.rank;
  const moved = before(result) - result.rank;
  const facts = made("p", "facts");
  facts.append(
    made("span", "rank", `${result.rank}`),
    made("span", moved > 0 ? "up" : moved < 0 ? "down" : "", moved ? `${moved > 0 ? "▲ up" : "▼ down"} ${Math.abs(moved)}` : "stays"),
    made("span", "", result.score === null ? "not scored" : `score ${result.score.toFixed(3)}`),
  );
  if (result.truncated) facts.append(made("span", "cut", `✂ read ${result.truncated.seen} of ${result.truncated.total} tokens`));
  if (result.place) facts.append(made("span", "", placed(result.place)));
  const text = made("p", "text", result.document.text);
  text.tabIndex = 0;
  const explain = made("button", "explain", "Which words?");
  explain.type = "button";
  explain.addEventListener("click", () => highlight(result, text, explain));
  card.append(facts, text, explain);
  return card;
}

async function highlight(result, text, button) {
  button.disabled = true;
  try {
    const content = result.document.text;
    const answer = await call("/shortlist/v1/explain", {
      query: last.body.query, model: last.body.model, documents: [{ text: content, title: result.document.title ?? "" }],
    });
    const letters = Array.from(content); // the server counts code points
    const most = Math.max(...answer.parts.map((part) => part.weight), 1e-9);
    let done = 0;
    const pieces = [];
    for (const part of answer.parts) {
      pieces.push(document.createTextNode(letters.slice(done, part.start).join("")));
      const mark = made("mark", "", letters.slice(part.start, part.end).join(""));
      mark.style.setProperty("--share", (0.55 * Math.max(0, part.weight) / most).toFixed(3));
      mark.title = `without it the score is ${part.weight.toFixed(3)} lower`;
      pieces.push(mark);
      done = part.end;
    }
    pieces.push(document.createTextNode(letters.slice(done).join("")));
    text.replaceChildren(...pieces);
    button.replaceWith(made("small", "", answer.method));
    requestAnimationFrame(drawMoves);
  } catch (error) {
    button.disabled = false;
    at("failure").textContent = error.message;
    at("failure").hidden = false;
  }
}

function drawMoves() {
  const svg = at("moves");
  const box = svg.getBoundingClientRect();
  const middle = (card) => {
    const of = card.getBoundingClientRect();
    return of.top + of.height / 2 - box.top;
  };
  svg.replaceChildren(...[...at("after").children].map((card) => {
    const from = [...at("before").children].find((one) => one.dataset.of === card.dataset.of);
    const [y1, y2, x] = [middle(from), middle(card), box.width];
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", `M4 ${y1} C ${x / 2} ${y1}, ${x / 2} ${y2}, ${x - 4} ${y2}`);
    const places = (list, one) => [...list.children].indexOf(one);
    const moved = places(at("before"), from) - places(at("after"), card);
    path.setAttribute("class", moved > 0 ? "up" : moved < 0 ? "down" : "");
    return path;
  }));
}

function stages(trace) {
  const total = Math.max(...trace.map((step) => step.latency_ms), 0.1);
  at("stages").replaceChildren(...trace.flatMap((step) => {
    const meter = made("meter");
    [meter.max, meter.value] = [total, step.latency_ms];
    meter.setAttribute("aria-label", step.stage);
    const counts = Object.entries(step.counts).map(([name, count]) => `${count} ${name}`).join(", ");
    return [made("span", "", step.stage), meter, made("span", "", `${step.latency_ms.toFixed(1)} ms, ${counts}`)];
  }));
}

let planning = 0;
async function plan() {
  const ms = budget();
  at("budget-shown").textContent = ms ? `${ms} ms` : "none";
  at("plan").textContent = "";
  if (!ms) return;
  const mine = ++planning;
  const texts = documents();
  const tokens = Math.max(1, Math.round(texts.join("").length / 4 / Math.max(1, texts.length)));
  const candidates = source() === "index" ? 50 : Math.max(1, texts.length);
  try {
    const planned = await call("/v1/plan", { budget_ms: ms, candidates, tokens });
    const chosen = planned.chosen;
    if (mine === planning) {
      at("plan").textContent = chosen.stages.length
        ? `Plan: ${chosen.name}, about ${chosen.p50_ms} ms, ${chosen.p95_ms} ms at P95.`
        : "Plan: too little time to rerank; the order would stay as it is.";
    }
  } catch (error) {
    if (mine === planning) at("plan").textContent = error.message;
  }
}

function copied(kind) {
  const url = location.origin + last.path;
  const body = JSON.stringify(last.body, null, 2);
  if (kind === "json") return JSON.stringify(last.answer, null, 2);
  if (kind === "curl") return `curl ${url} -H 'Content-Type: application/json' -d '${body.replaceAll("'", "'\\''")}'`;
  return `import json, urllib.request\n\nbody = json.loads(r'''${JSON.stringify(last.body).replaceAll("'", "\\u0027")}''')\n` +
    `request = urllib.request.Request("${url}", json.dumps(body).encode(), {"Content-Type": "application/json"})\n` +
    `print(json.load(urllib.request.urlopen(request)))\n`;
}

async function copy(event) {
  const kind = event.target.dataset.copy;
  if (!kind) return;
  try {
    await navigator.clipboard.writeText(copied(kind));
    at("copied").textContent = `copied as ${event.target.textContent}`;
  } catch {
    at("copied").textContent = "the browser does not let this page copy";
  }
}

async function begin() {
  try {
    const models = (await call("/v1/models")).data;
    at("model").replaceChildren(...models.map((model) => {
      const option = made("option", "", model.id);
      option.value = model.id;
      return option;
    }));
    const index = await call("/v1/index").catch(() => null);
    if (index && index.documents !== null) {
      document.querySelector("[value=index]").disabled = false;
      at("indexed").textContent = `${index.documents.toLocaleString()} passages`;
    }
  } catch (error) {
    at("failure").textContent = error.message;
    at("failure").hidden = false;
  }
}

at("ask").addEventListener("submit", rerank);
at("ask").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) rerank(event);
});
at("source").addEventListener("change", () => {
  at("pasted").hidden = source() === "index";
  plan();
});
at("budget").addEventListener("input", plan);
at("key").addEventListener("change", begin);
at("copies").addEventListener("click", copy);
addEventListener("resize", () => at("results").hidden || drawMoves());
begin();
