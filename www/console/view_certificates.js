// Search: by serial, subject, status and issuer, page by page. The address keeps what was asked for.
import * as api from './api.js';
import { address } from './emergency.js';
import * as feed from './feed.js';
import { commonName, date } from './format.js';
import { search } from './search.js';
import * as session from './session.js';
import { badge, button, field, h, head, NOTHING_YET, problem, renew, searching, select, table } from './ui.js';

const PAGE = 50;
const TYPING_MS = 200;
const STATUSES = [['', 'Any status'], ['good', 'Good'], ['revoked', 'Revoked'], ['hold', 'On hold']];

const columns = [
  { label: 'Subject', head: true, cell: (row) => h('a', { href: address(row), title: row.subject }, commonName(row.subject)) },
  { label: 'Status', cell: (row) => badge(row.status, row.status === 'hold' ? 'on hold' : row.status) },
  { label: 'Issuer', class: 'name', cell: (row) => row.issuer },
  { label: 'Serial', class: 'serial', cell: (row) => row.serial },
  { label: 'Valid until', cell: (row) => date(row.not_after) },
  { label: 'Changed', cell: (row) => (row.revoked_at ? date(row.revoked_at) : '') },
];

export async function show(root, { query, signal }) {
  const text = h('input', { type: 'search', value: query.get('q') ?? '', autocomplete: 'off', spellcheck: 'false' });
  const issuer = select(null, [['', 'All issuers']], '');
  const status = select(null, STATUSES, query.get('status') ?? '');
  const place = h('div', { class: 'stack', 'aria-live': 'polite' });
  let places = [null], asked = 0; // the places of the pages up to the present one

  root.append(
    head('Certificates', session.may.change() ? 'Drop a certificate’s file anywhere here to revoke it.' : null),
    h('form', { class: 'filters top', role: 'search', 'aria-label': 'Certificates', onsubmit: (event) => (event.preventDefault(), restart()) },
      field('Serial or subject', text, { wide: true, hint: 'The beginning of either is enough.' }), field('Issuer', issuer), field('Status', status)),
    place);

  const wanted = () => ({ q: text.value.trim(), issuer: issuer.value, status: status.value });

  async function load() {
    const mine = ++asked;
    try {
      const { rows, next } = await search(wanted(), places.at(-1), PAGE, { signal, still: () => mine === asked, tell: searching(place) });
      if (mine === asked) draw(rows, next);
    } catch (error) {
      if (!signal.aborted) renew(place, problem(error));
    }
  }
  function draw(rows, next) {
    const move = (change) => () => (change(), load(), scrollTo(0, 0));
    const back = button('Previous', move(() => places.pop())), forth = button('Next', move(() => places.push(next)));
    [back.id, forth.id] = ['previous', 'next'];
    [back.disabled, forth.disabled] = [places.length === 1, !next];
    renew(place, table('Certificates', columns, rows, next ? NOTHING_YET : wanted().q ? `Nothing is registered that matches “${wanted().q}”.` : 'There are none.'),
      (places.length > 1 || next) && h('div', { class: 'pager' }, h('span', { class: 'muted small' }, `Page ${places.length}`), back, forth));
  }
  function restart() {
    places = [null];
    const present = Object.entries(wanted()).filter(([, value]) => value);
    history.replaceState(null, '', `#/certificates${present.length ? `?${new URLSearchParams(present)}` : ''}`);
    return load();
  }

  let timer;
  text.addEventListener('input', () => (clearTimeout(timer), (timer = setTimeout(restart, TYPING_MS))));
  issuer.addEventListener('change', restart);
  status.addEventListener('change', restart);
  feed.listen(load, signal);

  const { issuers } = await api.issuers(signal);
  issuer.append(...issuers.map(({ name }) => h('option', { value: name }, name)));
  issuer.value = query.get('issuer') ?? '';
  await load();
}
