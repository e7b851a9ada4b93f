// The dialogs that change one certificate. Each resolves to the certificate as it is then, or to undefined.
import * as api from './api.js';
import { authorityOf } from './authority.js';
import { commonName } from './format.js';
import { HOLD, isCompromise, reasons } from './reasons.js';
import { dialog, explained, facts, field, h, notice, select, toast } from './ui.js';

const describe = ({ issuer, serial, subject }) => facts([
  ['Subject', subject ?? '–'], ['Issuer', issuer], ['Serial', h('code', null, serial)]]);

const explainRoot = (name) => dialog({
  title: `${name} cannot be revoked`, confirm: 'Close', cancel: null, submit: async () => {},
  body: [h('p', null, 'It is a root: it signed itself, so there is no CA above it whose CRL or OCSP answers could refuse it. ',
    'Nobody looks for a root in its own CRL.'),
  h('p', null, 'Remove it from the trust stores of everything that trusts it.')],
});

// `certificate.der` is there where it is not registered: it is sent along, and registered with the revocation.
export async function askRevoke(certificate, reason) {
  const authority = await authorityOf(certificate);
  if (authority?.isRoot) return explainRoot(authority.name);
  return askWhy(certificate, authority, reason ?? (authority ? 'cACompromise' : 'keyCompromise'));
}

// A CA's name is typed: nobody revokes one by the way.
function askWhy(certificate, authority, reason) {
  const name = authority?.name ?? commonName(certificate.subject);
  const typed = h('input', { autocomplete: 'off', spellcheck: 'false' });
  const warning = authority && [notice('revoked', `This is the CA ${name}`, 'Every certificate below it will be refused.'),
    field(`To go on, type its name: ${name}`, typed)];
  const choice = select(null, reasons, reason);
  const since = h('input', { type: 'datetime-local', step: 1 });
  const sinceField = field('Compromised since (UTC)', since, { hint: 'If it is known. It is told with the CRL and OCSP.' });
  const effect = h('p');
  const title = h('span'), confirm = h('span');
  const update = () => {
    const holds = choice.value === HOLD;
    title.textContent = holds ? `Put ${name} on hold?` : `Revoke ${name}?`;
    confirm.textContent = holds ? `Put ${name} on hold` : `Revoke ${name}`;
    effect.textContent = holds ? 'From the next OCSP answer on it is refused, until it is released.'
      : 'From the next OCSP answer on it is refused. This is for good: it cannot be undone.';
    sinceField.hidden = !isCompromise(choice.value) || Boolean(certificate.der);
  };
  choice.addEventListener('change', update);
  update();
  return dialog({
    title, confirm, kind: 'danger',
    body: [describe(certificate), explained('Reason', choice, reasons), sinceField, h('div', { class: 'notice hold' }, effect), warning],
    ready: () => !authority || typed.value.trim() === name,
    submit: async () => {
      const body = { reason: choice.value };
      if (since.value && !sinceField.hidden) body.invalidity_at = new Date(`${since.value}Z`).toISOString().replace(/\.\d+/, '');
      const done = certificate.der ? await api.revokeFile(certificate.der, choice.value)
        : await api.revoke(certificate.issuer, certificate.serial, body);
      toast(done.changed ? `${name} is ${done.status === 'hold' ? 'on hold' : 'revoked'}.` : `${name} was so already.`);
      return done;
    },
  });
}

export function askRelease(certificate) {
  const name = commonName(certificate.subject);
  return dialog({
    title: `Release ${name}?`, confirm: `Release ${name}`,
    body: [describe(certificate), h('p', null, 'It is good again from the next OCSP answer on.')],
    submit: async () => {
      const done = await api.release(certificate);
      toast(`${name} is good again.`);
      return done;
    },
  });
}
