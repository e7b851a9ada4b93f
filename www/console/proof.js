// What the world is told of a certificate: asked for as everybody else would, until it agrees with what was recorded.
import * as api from './api.js';
import { moment, since } from './format.js';
import { reasonText } from './reasons.js';
import { h, renew } from './ui.js';

const PAUSES_MS = [200, 300, 500, 1000, 2000, 5000];

const item = (state, title, ...text) => h('li', { class: state }, h('div', null, h('strong', null, title),
  h('span', { class: 'muted small' }, ...text)));

function recorded({ status, reason, revoked_at: at }) {
  if (status === 'good') return item('done', 'Recorded as good');
  return item('done', status === 'hold' ? 'Recorded as on hold' : `Recorded as revoked: ${reasonText(reason)}`, moment(at));
}

function told(ocsp, agrees) {
  if (!ocsp) return item('', 'OCSP is not signed here');
  if (ocsp.response !== 'successful') return item('failed', `OCSP answers ${ocsp.response}`);
  const reason = ocsp.reason ? ` (${ocsp.reason})` : '';
  return item(agrees ? 'done' : 'failed', `OCSP says ${ocsp.status}${reason}`,
    'Signature verified; made ', since(ocsp.produced_at), ', valid until ', moment(ocsp.next_update));
}

const partName = ({ crl }) => (crl === 'whole' ? 'CRL' : crl === 'delta' ? 'Delta CRL' : `CRL of shard ${crl}`);

// A complete CRL may be older than the change where its delta is not.
const isTold = (crl, crls) => crl.covers || (crl.crl === 'whole' && crls.some((each) => each.crl === 'delta' && each.covers));
const isMatter = (crl) => crl.crl !== 'delta' || crl.covers;

// What a CA whose key is elsewhere does not know: nothing can be done about it here but to bring its next CRL.
const elsewhere = (title, { issuer, status }) => item('warned', title, 'This CA’s key is elsewhere: ',
  h('a', { href: `#/crls?issuer=${encodeURIComponent(issuer)}` }, `upload a CRL that ${status === 'good' ? 'does not' : 'lists it'}`), '.');

function listed(crl, crls, certificate, isMadeHere) {
  const says = (lists) => `${partName(crl)} ${crl.crl_number} ${lists ? 'lists it' : 'does not list it'}`;
  const isRevoked = certificate.status !== 'good';
  if (crl.covers) return item('done', says(isRevoked), 'Valid until ', moment(crl.next_update));
  if (isTold(crl, crls)) return null;
  return isMadeHere ? item('', `${partName(crl)}: on its way`, `Number ${crl.crl_number} is from before the change.`)
    : elsewhere(says(!isRevoked), certificate);
}

function onCrls(crls, certificate, isMadeHere) {
  const none = 'No CRL is published here';
  if (!crls.length) return isMadeHere || certificate.status === 'good' ? item('', none) : elsewhere(none, certificate);
  return crls.filter(isMatter).map((crl) => listed(crl, crls, certificate, isMadeHere));
}

const openSessions = () => h('li', { class: 'aside' }, h('span', { class: 'muted small' },
  'A broker asks at the handshake: a session that is open stays open. Close it on the broker.'));

// Fills `list` (an <ol>) and goes on until everything agrees, or the signal says stop.
export async function prove(list, certificate, signal) {
  const wanted = certificate.status === 'good' ? 'good' : 'revoked';
  renew(list, recorded(certificate));
  const { key: isMadeHere } = await api.issuer(certificate.issuer, signal);
  for (let turn = 0; !signal.aborted; turn++) {
    const { ocsp, crls } = await api.proof(certificate.issuer, certificate.serial, signal);
    const agrees = ocsp?.status === wanted;
    renew(list, recorded(certificate), told(ocsp, agrees), onCrls(crls, certificate, isMadeHere),
      wanted === 'revoked' && openSessions());
    if ((agrees || !ocsp) && crls.every((crl) => crl.crl === 'delta' || isTold(crl, crls))) return;
    await new Promise((resolve) => setTimeout(resolve, PAUSES_MS[Math.min(turn, PAUSES_MS.length - 1)]));
  }
}
