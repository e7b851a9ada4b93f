// Who did what, when, from where: the newest first, with what was refused.
import * as api from './api.js';
import { address } from './emergency.js';
import * as feed from './feed.js';
import { moment } from './format.js';
import { searchAudit } from './search.js';
import { badge, button, field, h, head, NOTHING_YET, problem, renew, searching, select, table } from './ui.js';

const PAGE = 50;
const ACTIONS = ['register', 'revoke', 'release', 'import', 'publish', 'upload', 'token create', 'token revoke'];
const CHOICES = [['', 'Any action'], ...ACTIONS.map((each) => [each, each]),
  ...ACTIONS.map((each) => [`refused ${each}`, `refused ${each}`]), ['refused authentication', 'refused authentication']];

const about = ({ issuer, serial }) =>
  issuer && (serial ? h('a', { href: address({ issuer, serial }) }, h('span', { class: 'line' }, issuer), h('span', { class: 'line mono small' }, `${serial.slice(0, 16)}${serial.length > 16 ? '…' : ''}`)) : issuer);

const columns = [
  { label: 'Entry', number: true, cell: (entry) => h('span', { title: `SHA-256 ${entry.hash}` }, `#${entry.id}`) },
  { label: 'Time', cell: (entry) => moment(entry.at) },
  { label: 'Who', cell: (entry) => h('span', null, h('span', { class: 'line mono' }, entry.actor), h('span', { class: 'line small muted' }, entry.origin)) },
  { label: 'About', cell: (entry) => about(entry) ?? '' },
  { label: 'What', class: 'long', cell: (entry) => h('div', { class: 'stack tight' }, h('span', null,
    badge(entry.action.startsWith('refused') ? 'hold plain' : 'plain', entry.action), entry.damaged && badge('revoked', 'damaged')),
  h('span', null, entry.detail)) },
];

export async function show(root, { query, signal }) {
  const actor = h('input', { value: query.get('actor') ?? '', placeholder: 'token:ops', autocomplete: 'off', spellcheck: 'false' });
  const serial = h('input', { value: query.get('serial') ?? '', autocomplete: 'off', spellcheck: 'false' });
  const issuer = select(null, [['', 'All issuers']], '');
  const action = select(null, CHOICES, query.get('action') ?? '');
  const place = h('div', { class: 'stack' });
  let places = [null], asked = 0;

  root.append(head('Audit log', 'Chained by hashes; annulctl audit verify checks it.'),
    h('form', { class: 'filters', 'aria-label': 'Which entries', onsubmit: (event) => (event.preventDefault(), restart()) },
      field('Action', action), field('Who', actor), field('Issuer', issuer), field('Serial', serial), button('Show', () => restart())),
    place);

  async function load() {
    const mine = ++asked;
    try {
      const query = { action: action.value, actor: actor.value.trim(), issuer: issuer.value, serial: serial.value.trim() };
      const page = await searchAudit(query, places.at(-1), PAGE, { signal, still: () => mine === asked, tell: searching(place) });
      if (mine === asked) draw(page);
    } catch (error) {
      if (!signal.aborted) renew(place, problem(error));
    }
  }
  function draw({ audit, next, head: newest }) {
    const move = (change) => () => (change(), load(), scrollTo(0, 0));
    const newer = button('Newer', move(() => places.pop())), older = button('Older', move(() => places.push(next)));
    [newer.id, older.id] = ['newer', 'older'];
    [newer.disabled, older.disabled] = [places.length === 1, !next];
    renew(place, table('Audit log', columns, audit, next ? NOTHING_YET : 'No entry is like that.'),
      h('div', { class: 'pager' }, h('span', { class: 'muted small' }, `Newest of all: #${newest.id} `, h('code', null, newest.hash?.slice(0, 16) ?? '')), newer, older));
  }
  const restart = () => ((places = [null]), load());
  for (const each of [action, issuer]) each.addEventListener('change', restart);
  feed.listen(() => places.length === 1 && load(), signal);

  const { issuers } = await api.issuers(signal);
  issuer.append(...issuers.map(({ name }) => h('option', { value: name }, name)));
  issuer.value = query.get('issuer') ?? '';
  await load();
}
