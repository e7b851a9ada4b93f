// The change feed: asks, is kept waiting until something changes, tells everybody who listens, asks again.
import * as api from './api.js';

const WAIT_S = 50;
const PACE_MS = 300; // between two that had something
const CROWDED_MS = 5000; // where as many wait as may, so that an empty answer comes at once
const MANY = 1000; // more are not told one by one: { } then stands for whatever it was
const listeners = new Set();

// `listener` gets the changes, until the signal says stop.
export function listen(listener, signal) {
  listeners.add(listener);
  signal.addEventListener('abort', () => listeners.delete(listener));
}

const pause = (ms, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()));
  });

// Until the signal says stop. `connected` is told true or false.
export async function follow(connected, signal) {
  let since, failures = 0;
  while (!signal.aborted) {
    const early = since === undefined ? 0 : performance.now() + CROWDED_MS;
    try {
      const answer = await api.changes(since, since === undefined ? 0 : WAIT_S, MANY, signal);
      const isMuch = answer.changes.length === MANY;
      since = isMuch ? undefined : answer.next;
      failures = 0;
      connected(true);
      if (!answer.changes.length) {
        await pause(Math.max(0, early - performance.now()), signal);
        continue;
      }
      for (const listener of [...listeners]) listener(isMuch ? [{}] : answer.changes);
      await pause(PACE_MS, signal);
    } catch (error) {
      if (signal.aborted) return;
      connected(false);
      await pause(Math.min(30000, 500 * 2 ** failures++), signal);
    }
  }
}
