// Where one is in a list that the API gives page by page: what is asked for, and what is shown until its answer comes.

import { rest } from "./dom.js";
import { count } from "./words.js";

/** `path` makes the path of a page from its token, which is null for the first. */
export function pages(path) {
  const start = { token: null, first: 1 };
  let asked = start;
  const list = {
    shown: null,   // { path, first, last, next }
    path: () => path(asked.token),
    isFirst: () => asked === start,
    // None as long as another page is shown than is asked for.
    next: () => list.shown?.path === list.path() ? list.shown.next : null,
    toFirst() { asked = start; },
    toNext() {
      if (list.next() != null) asked = { token: list.next(), first: list.shown.last + 1 };
    },
    /** Whether it was a page. One that is refused is gone: the first is asked for instead. */
    take(answer) {
      if (answer?.status === 400) asked = start;
      const { items, next_page_token: next } = answer?.status === 200 && answer.body || {};
      if (items) list.shown = { path: answer.path, first: asked.first, last: asked.first + items.length - 1, next };
      return items != null;
    },
    range: () => `${count(list.shown.first)} to ${count(list.shown.last)}`,
    drawButtons(toFirst, toNext) {
      rest(toFirst, asked === start);
      rest(toNext, list.next() == null);
    },
  };
  return list;
}
