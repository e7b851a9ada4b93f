// Everything at a glance: first what must be seen to, then how busy it is, then each issuer.
import * as api from './api.js';
import { sparkline, timeLeft } from './chart.js';
import { now } from './clock.js';
import * as feed from './feed.js';
import { bytes, decimal, duration, number } from './format.js';
import { figure, h, head, notice, problem, renew } from './ui.js';

const SAMPLE_MS = 2000, SAMPLES = 60; // two minutes
const ISSUERS_MS = 10000;
const CRL_MS = 1200; // a change is on the CRL by then

const samples = []; // {at, requests}; they stay while another view is shown

// Between each two samples: requests a second, and milliseconds a request.
function series(kind) {
  const rates = [], times = [];
  for (let i = 1; i < samples.length; i++) {
    const [a, b] = [samples[i - 1], samples[i]];
    const count = b.requests[kind].count - a.requests[kind].count;
    rates.push(Math.max(0, count) / ((b.at - a.at) / 1000));
    times.push(count > 0 ? ((b.requests[kind].seconds - a.requests[kind].seconds) / count) * 1000 : times.at(-1) ?? 0);
  }
  return { rates, times };
}

function activity({ requests }) {
  const ocsp = series('ocsp'), crl = series('crl');
  const card = (title, values, text, below) => h('section', { class: 'card' },
    h('h2', { class: 'label muted' }, title), h('p', { class: 'big' }, text),
    sparkline(title, values, SAMPLES, text), h('p', { class: 'small muted' }, below));
  const rate = (values) => `${decimal(values.at(-1) ?? 0)}/s`;
  const times = ({ count, p50_ms: half, p99_ms: most }) => !count ? 'None was asked yet' : `Half within ${decimal(half)} ms, 99 % within ${decimal(most)} ms`;
  return h('div', { class: 'grid three activity' },
    card('OCSP requests', ocsp.rates, rate(ocsp.rates), `${number(requests.ocsp.count)} since the start`),
    card('CRL requests', crl.rates, rate(crl.rates), `${number(requests.crl.count)} since the start`),
    card('OCSP latency', ocsp.times, ocsp.times.at(-1) ? `${decimal(ocsp.times.at(-1))} ms` : '–', times(requests.ocsp)));
}

const warningsOf = ({ ready, warnings, signer }) => [
  !ready && notice('revoked', 'Not ready', signer ? 'A CRL or an OCSP signer is missing or has ended.' : 'annul-signer is away: nothing can be signed.'),
  ...warnings.map(({ issuer, text }) => notice('hold', issuer, h('p', { class: 'sentence' }, text))),
];

function seen(status) {
  const list = warningsOf(status).filter(Boolean);
  return list.length ? h('section', { class: 'stack', 'aria-label': 'Warnings' }, list)
    : notice('good', 'All is well', 'Every CRL is fresh, and every signer is at work.');
}

function crlPart({ name, key, crl, delta, shards }) {
  if (!crl) return h('p', { class: 'muted' }, key ? 'The first CRL is being made.' : 'Its CRL is made elsewhere, and none is here yet.');
  const there = shards.filter(Boolean);
  return h('div', { class: 'stack tight' },
    h('div', { class: 'pair' }, h('a', { href: `#/crls?issuer=${encodeURIComponent(name)}` }, `CRL ${crl.crl_number}`),
      h('span', { class: 'muted' }, `${number(crl.entries)} entries, ${bytes(crl.bytes)}`)),
    timeLeft(`CRL of ${name}`, crl.this_update, crl.next_update),
    delta && h('p', { class: 'small muted' }, `Delta ${delta.crl_number}: ${number(delta.entries)} changes since ${delta.base}`),
    shards.length > 0 && h('p', { class: 'small muted' }, `${there.length} of ${shards.length} shards`));
}

function signerPart(signers) {
  if (!signers.length) return h('p', { class: 'small muted' }, 'OCSP is not signed here.');
  const soonest = signers.reduce((a, b) => (a.not_after < b.not_after ? a : b));
  const left = (Date.parse(soonest.not_after) - now()) / 1000;
  return h('p', { class: 'pair small' }, h('span', null, 'OCSP signer'),
    h('span', { class: left < 7 * 86400 ? 'bad' : 'muted' }, left > 0 ? `ends in ${duration(left)}` : 'has ended'));
}

function card(issuer) {
  const { name, subject, certificates, ocsp_signers: signers } = issuer;
  const to = (status) => `#/certificates?${new URLSearchParams({ issuer: name, status })}`;
  const count = (status, text) => figure(text, h('a', { href: to(status), 'aria-label': `${number(certificates[status])} ${text}` },
    number(certificates[status])), certificates[status] ? status : 'zero');
  return h('section', { class: 'card' },
    h('div', null, h('h3', null, name), h('p', { class: 'small muted' }, subject)),
    certificates && h('dl', { class: 'figures' }, count('good', 'Good'), count('revoked', 'Revoked'), count('hold', 'On hold')),
    crlPart(issuer), signerPart(signers));
}

export async function show(root, { signal }) {
  const below = h('span');
  const top = h('div', { class: 'stack' }), issuers = h('div', { class: 'grid' });
  root.append(head('Overview', below), top, h('h2', null, 'Issuers'), issuers);

  const refuse = (error) => !signal.aborted && renew(top, problem(error));
  async function sample() {
    const status = await api.status(signal);
    samples.push({ at: performance.now(), requests: status.requests });
    if (samples.length > SAMPLES + 1) samples.shift();
    below.replaceChildren(`Version ${status.version}, up for ${duration((Date.parse(status.now) - Date.parse(status.started_at)) / 1000)}, `,
      `${number(status.waiters)} waiting for the next CRL`);
    renew(top, seen(status), activity(status));
  }
  async function list() {
    renew(issuers, (await api.issuers(signal)).issuers.map(card));
  }
  const every = (ms, work) => {
    const timer = setInterval(() => document.hidden || work().catch(refuse), ms);
    signal.addEventListener('abort', () => clearInterval(timer));
  };
  feed.listen(() => {
    list().catch(refuse);
    setTimeout(() => signal.aborted || list().catch(refuse), CRL_MS);
  }, signal);
  every(SAMPLE_MS, sample);
  every(ISSUERS_MS, list);
  await Promise.all([sample(), list()]).catch(refuse);
}
