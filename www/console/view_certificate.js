// One certificate: what it is, what the world is told of it, what was done with it, and what can be done.
import * as api from './api.js';
import * as feed from './feed.js';
import { commonName, moment, since } from './format.js';
import { prove } from './proof.js';
import { HOLD, isCompromise, reasonText } from './reasons.js';
import { askRelease, askRevoke } from './revoke.js';
import * as session from './session.js';
import { badge, button, copyButton, facts, h, head, notice, problem, renew, toast } from './ui.js';

const history = (entries) => h('ol', { class: 'history' }, entries.map(({ at, actor, origin, action, detail }) =>
  h('li', null, h('span', null, h('strong', null, action), ' by ', h('span', { class: 'mono' }, actor), ` from ${origin}`),
    h('span', null, detail), h('span', { class: 'small muted' }, moment(at), ', ', since(at)))));

const factsOf = (c) => facts([
  ['Subject', c.subject ?? 'Not known'],
  ['Issuer', c.issuer],
  ['Serial', h('code', null, c.serial), ' ', copyButton(c.serial)],
  ['Valid', moment(c.not_before), ' to ', moment(c.not_after)],
  c.revoked_at && [c.status === 'hold' ? 'On hold since' : 'Revoked', moment(c.revoked_at)],
  c.reason && ['Reason', reasonText(c.reason)],
  c.invalidity_at && ['Compromised since', moment(c.invalidity_at)],
]);

// What who is signed in may do with it in its state. A compromise found out later may be told of what is revoked.
function actions(certificate, again) {
  if (!session.may.change()) return [];
  const run = (ask) => () => ask().then((done) => done && again()).catch((error) => toast(error.message));
  const { status, reason } = certificate;
  return [
    status === 'hold' && button('Release…', run(() => askRelease(certificate))),
    status === 'good' && button('Put on hold…', run(() => askRevoke(certificate, HOLD))),
    status !== 'revoked' && button('Revoke…', run(() => askRevoke(certificate)), 'danger'),
    status === 'revoked' && !isCompromise(reason) && button('Report a compromise…', run(() => askRevoke(certificate))),
  ];
}

export async function show(root, { parts: [issuer, serial], signal }) {
  let proving = new AbortController();
  signal.addEventListener('abort', () => proving.abort());
  const proof = h('ol', { class: 'proof', 'aria-live': 'polite' });
  root.append(h('h1', { tabindex: -1 }, 'Certificate'));

  async function load() {
    const [certificate, { audit }] = await Promise.all([
      api.certificate(issuer, serial, signal), api.audit({ issuer, serial, limit: 100 }, signal)]);
    if (!certificate) return renew(root, head('Not registered', null), notice('hold', `${issuer} has no certificate ${serial}`,
      'Drop its file here to register and revoke it, or register it first.'));
    draw(certificate, audit);
    proving.abort();
    proving = new AbortController();
    prove(proof, certificate, proving.signal)
      .catch((error) => error.name === 'AbortError' || proof.replaceChildren(h('li', { class: 'failed' }, problem(error))));
  }
  function draw(certificate, audit) {
    const name = commonName(certificate.subject), { status } = certificate;
    document.title = `${name} · Annul`;
    renew(root,
      head(name, badge(status, status === 'hold' ? 'on hold' : status), ...actions(certificate, load)),
      h('div', { class: 'grid two' },
        h('section', { class: 'card' }, h('h2', null, 'Certificate'), factsOf(certificate)),
        h('section', { class: 'card first' }, h('h2', null, 'What others are told'), proof)),
      h('section', { class: 'card' }, h('h2', null, 'History'),
        audit.length ? history(audit) : h('p', { class: 'muted' }, 'The audit log does not name it: it was imported, or registered with others.')));
  }
  const again = () => load().catch((error) => signal.aborted || renew(root, head('Certificate'), problem(error)));
  feed.listen((changes) => {
    if (changes.some((change) => change.serial === serial || !change.serial)) again();
  }, signal);
  await again();
  if (!signal.aborted) root.querySelector('h1').focus({ preventScroll: true });
}
