// Who may sign in: made here, shown once, revoked at once.
import * as api from './api.js';
import { now } from './clock.js';
import * as feed from './feed.js';
import { moment, since } from './format.js';
import { badge, button, copyButton, dialog, explained, field, h, head, notice, problem, renew, select, table, toast } from './ui.js';

const ROLES = [['viewer', 'Viewer', 'Sees everything but tokens.'], ['operator', 'Operator', 'Registers, revokes and releases, too.'],
  ['administrator', 'Administrator', 'Publishes, uploads and manages tokens, too.']];
const LIVES = [['7', 'A week'], ['30', '30 days'], ['90', '90 days'], ['365', 'A year'], ['', 'Until it is revoked']];

const stateOf = ({ revoked_at: revoked, expires_at: expires }) =>
  revoked ? 'revoked' : expires && Date.parse(expires) <= now() ? 'expired' : 'active';

const columns = (again) => [
  { label: 'Name', head: true, cell: (token) => token.name },
  { label: 'State', cell: (token) => badge(stateOf(token) === 'active' ? 'good' : 'plain', stateOf(token)) },
  { label: 'Role', cell: (token) => token.role },
  { label: 'Issuers', cell: (token) => token.issuers?.join(', ') ?? 'all' },
  { label: 'Made', cell: (token) => since(token.created_at) },
  { label: 'Ends', cell: (token) => (token.expires_at ? since(token.expires_at) : 'never') },
  { label: 'Last used', cell: (token) => since(token.last_used_at) },
  { label: '', cell: (token) => (token.revoked_at ? '' :
    h('button', { type: 'button', class: 'button small', 'aria-label': `Revoke ${token.name}…`, onclick: () => askRevoke(token).then(again) }, 'Revoke…')) },
];

const askRevoke = (token) => dialog({
  title: `Revoke the token ${token.name}?`, confirm: `Revoke ${token.name}`, kind: 'danger',
  body: h('p', null, 'Whoever uses it is signed out at once. Its name cannot be used again.'),
  submit: async () => {
    await api.revokeToken(token.id);
    toast(`${token.name} is revoked.`);
  },
});

async function askCreate() {
  const { issuers } = await api.issuers();
  const name = h('input', { autocomplete: 'off', spellcheck: 'false', placeholder: 'ops-anna' });
  const role = select(null, ROLES, 'operator'), life = select(null, LIVES, '90');
  const scope = issuers.map(({ name: issuer }) => h('input', { type: 'checkbox', value: issuer }));
  const made = await dialog({
    title: 'New token', confirm: 'Make the token',
    body: [field('Name', name, { hint: 'Stands in the audit log. No blanks.' }), explained('Role', role, ROLES), field('Lasts', life),
      h('fieldset', null, h('legend', null, 'For these issuers alone'), h('p', { class: 'small muted' }, 'None chosen: for all.'),
        scope.map((box) => h('label', { class: 'choice' }, box, box.value)))],
    submit: () => {
      const chosen = scope.filter((box) => box.checked).map((box) => box.value);
      const ends = life.value ? new Date(now() + life.value * 86400e3).toISOString().replace(/\.\d+/, '') : null;
      return api.createToken({ name: name.value.trim(), role: role.value, issuers: chosen.length ? chosen : null, expires_at: ends });
    },
  });
  return made && showOnce(made);
}

const showOnce = ({ name, token, role, expires_at: ends }) => dialog({
  title: `The token ${name}`, confirm: 'I have kept it', cancel: null, submit: async () => true,
  body: [notice('hold', 'It is shown this once', 'Only its hash is kept here. Copy it now to where it will be used.'),
    h('div', { class: 'stack' }, h('code', { class: 'secret', tabindex: 0 }, token), copyButton(token, 'Copy the token')),
    h('p', { class: 'small muted' }, `${role}, `, ends ? ['until ', moment(ends)] : 'until it is revoked')],
});

export async function show(root, { signal }) {
  const place = h('div', { class: 'stack' });
  const again = () => load().catch((error) => signal.aborted || renew(place, problem(error)));
  async function load() {
    const order = ['active', 'expired', 'revoked'];
    const tokens = (await api.tokens(signal)).sort((a, b) => order.indexOf(stateOf(a)) - order.indexOf(stateOf(b)) || b.id - a.id);
    renew(place, table('Tokens', columns(again), tokens, 'There are none.'));
  }
  root.append(head('Tokens', 'Who may use the console, annulctl and the API from afar.',
    button('New token…', () => askCreate().then(again).catch((error) => toast(error.message)), 'primary')), place);
  feed.listen(again, signal);
  await again();
}
