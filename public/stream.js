// The events of the node, as they happen: resumed by Last-Event-ID, also after the page was hidden.

const ANSWER_MS = 5000;
const SILENCE_MS = 15000;   // The server beats each 5 s.
const PAUSE_MS = 1000;
const PAUSE_AFTER_REFUSAL_MS = 5000;

/**
 * Follows the events until the page is gone. `take` gets each { id, data }; `began` the id where the stream begins,
 * when nothing was known before; `session` tells whose events are wanted, null for nobody's; `missed` is called when events
 * were lost; `heard` at each sign of life; `broke` when the stream ended, with the refusal if there was one.
 */
export function follow(path, { session, take, began, missed, heard, broke }) {
  let last = null;
  let owner = null;
  let abort = null;
  let timer = null;
  let watched = null;

  async function run() {
    clearTimeout(timer);
    if (document.hidden || abort) return;
    if (session() !== owner) {
      owner = session();
      last = null;
    }
    if (owner == null) {
      timer = setTimeout(run, PAUSE_MS);
      return;
    }
    const mine = abort = new AbortController();
    let pause = PAUSE_MS;
    let refusal = null;
    watch(mine, ANSWER_MS);
    try {
      const headers = { Accept: "text/event-stream" };
      if (last != null) headers["Last-Event-ID"] = last;
      const answer = await fetch(path, { headers, signal: mine.signal, cache: "no-store", credentials: "same-origin" });
      if (answer.status === 410) {
        last = null;
        missed();
      } else if (answer.status !== 200) {
        pause = PAUSE_AFTER_REFUSAL_MS;
        refusal = { status: answer.status, body: await answer.json().catch(() => null) };
      } else {
        await read(answer.body.getReader(), mine);
      }
    } catch { /* broken off: tried again below */ }
    clearTimeout(watched);
    if (abort === mine) abort = null;
    if (document.hidden) return;
    broke(refusal);
    timer = setTimeout(run, pause);
  }

  /** Breaks off when nothing comes for so long, not even headers. */
  function watch(mine, milliseconds) {
    clearTimeout(watched);
    watched = setTimeout(() => mine.abort(), milliseconds);
  }

  async function read(reader, mine) {
    const decoder = new TextDecoder();
    let rest = "";
    while (true) {
      watch(mine, SILENCE_MS);
      const { value, done } = await reader.read();
      if (done || session() !== owner) return mine.abort();
      heard();
      const blocks = (rest + decoder.decode(value, { stream: true })).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) handle(parse(block));
    }
  }

  function handle(message) {
    if (message.event === "reset") {
      last = null;
      missed();
      return;
    }
    const first = last == null && message.id;
    if (message.id) last = message.id;
    if (first && message.data == null) began(message.id);
    if (message.data != null) take({ id: message.id, data: JSON.parse(message.data) });
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) abort?.abort();
    else run();
  });
  run();
}

/** One block of a stream of events as { event, id, data }; data null without any. Pure. */
export function parse(block) {
  const message = { event: "message", id: null, data: null };
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const field = line.slice(0, colon);
    const value = line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") message.data = message.data == null ? value : `${message.data}\n${value}`;
    else if (field === "id" || field === "event") message[field] = value;
  }
  return message;
}
