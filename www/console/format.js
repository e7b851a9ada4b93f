// Numbers and times for people.
import { now } from './clock.js';
import { h } from './ui.js';

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
export const number = (value) => (value === null || value === undefined ? '–' : whole.format(value));
export const decimal = (value) => (value >= 100 ? whole.format(value) : String(+value.toPrecision(2)));

export function bytes(value) {
  const units = ['B', 'kB', 'MB', 'GB'];
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit ? value.toPrecision(3) : value} ${units[unit]}`;
}

// "9 y", "2 d 3 h", "4 min", "12 s".
export function duration(seconds) {
  const units = [[31536000, 'y'], [86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
  let rest = Math.max(0, Math.round(seconds));
  const first = units.findIndex(([length]) => rest >= length);
  if (first < 0) return '0 s';
  const parts = [];
  for (const [length, unit] of units.slice(first, first + 2)) {
    const value = Math.floor(rest / length);
    rest -= value * length;
    if (value && !(unit === 's' && parts.length)) parts.push(`${value} ${unit}`);
    if (length > 2e6) break; // nobody counts the days beside years
  }
  return parts.join(' ');
}

export function ago(time) {
  const seconds = (now() - Date.parse(time)) / 1000;
  if (Math.abs(seconds) < 5) return 'just now';
  return seconds < 0 ? `in ${duration(-seconds)}` : `${duration(seconds)} ago`;
}

const plain = (time) => time.replace('T', ' ').replace('Z', ' UTC');

export const date = (time) => (time ? h('time', { datetime: time, title: plain(time) }, time.slice(0, 10)) : '–');
// In a table it may break between the two.
export function moment(time) {
  if (!time) return '–';
  const [day, ...hour] = plain(time).split(' ');
  return h('time', { datetime: time, class: 'moment' }, h('span', null, day), ' ', h('span', null, hour.join(' ')));
}
export const since = (time) => (time ? h('time', { datetime: time, title: plain(time), class: 'since' }, ago(time)) : '–');

// Time goes on for what is shown already.
setInterval(() => {
  for (const shown of document.querySelectorAll('time.since')) shown.textContent = ago(shown.dateTime);
}, 5000);

// "CN=client-1,O=Demo" is told by its CN; a comma within is escaped.
export function commonName(subject) {
  const found = /(?:^|,)CN=((?:\\.|[^,\\])*)/i.exec(subject ?? '');
  return found ? found[1].replace(/\\(.)/g, '$1') : subject || 'Subject not known';
}
