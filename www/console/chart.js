// Small charts. Each says its latest value in words, for those who do not see it.
import { now } from './clock.js';
import { duration } from './format.js';
import { h, svg } from './ui.js';

const WIDTH = 300, HEIGHT = 50;
const BACKDATED_S = 120; // thisUpdate is up to a minute before a CRL is made, for clocks that are behind

// A line of `values`, the newest on the right, with room for `room` of them.
export function sparkline(title, values, room, text) {
  const most = Math.max(...values, Number.EPSILON);
  const x = (i) => WIDTH - ((values.length - 1 - i) * WIDTH) / (room - 1);
  const points = values.map((value, i) => `${x(i).toFixed(1)},${(HEIGHT - (value / most) * (HEIGHT - 4)).toFixed(1)}`);
  return h('div', { class: 'chart' },
    svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': `${title}: ${text}` },
      points.length > 1 && svg('polygon', { class: 'area', points: `${x(0)},${HEIGHT} ${points.join(' ')} ${WIDTH},${HEIGHT}` }),
      svg('line', { class: 'base', x1: 0, x2: WIDTH, y1: HEIGHT, y2: HEIGHT }),
      points.length > 1 && svg('polyline', { class: 'line', points: points.join(' ') })));
}

// How much is left of the time between two moments: amber in the last quarter, red in the last tenth.
export function timeLeft(what, from, until) {
  const left = (Date.parse(until) - now()) / 1000, whole = (Date.parse(until) - Date.parse(from)) / 1000;
  const share = Math.min(1, Math.max(0, left / whole));
  const kind = share < 0.1 ? 'revoked' : share < 0.25 ? 'hold' : 'good';
  const text = left > 0 ? `${duration(left)} left` : `ended ${duration(-left)} ago`;
  const age = whole - left < BACKDATED_S ? 'just made' : `${duration(whole - left)} old`;
  return h('div', { class: `left ${kind}` },
    svg('svg', { viewBox: '0 0 100 8', preserveAspectRatio: 'none', role: 'img', 'aria-label': `${what}: ${text}` },
      svg('rect', { class: 'fill', width: (share * 100).toFixed(1), height: 8 })),
    h('p', null, h('span', null, age), h('span', null, text)));
}
