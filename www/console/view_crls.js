// Every CRL that is published: what it is, how long it lasts, and where others fetch it.
import * as api from './api.js';
import { timeLeft } from './chart.js';
import * as feed from './feed.js';
import { bytes, moment, number } from './format.js';
import * as session from './session.js';
import { button, dialog, dropZone, h, head, problem, renew, table, toast } from './ui.js';

// Where the public listener is, as seen from here: one that listens everywhere is also on the host of this page.
function publicOrigin([listen]) {
  const [, host, port] = /^(.*):(\d+)$/.exec(listen);
  const anywhere = ['0.0.0.0', '[::]', ''].includes(host);
  return `http://${anywhere ? location.hostname : host}${port === '80' ? '' : `:${port}`}`;
}

const partName = ({ crl }) => (crl === 'whole' ? 'Complete' : crl === 'delta' ? 'Delta' : `Shard ${crl}`);

const columns = (origin) => [
  { label: 'CRL', head: true, cell: partName },
  { label: 'Number', cell: (crl) => crl.crl_number },
  { label: 'Entries', number: true, cell: (crl) => number(crl.entries) },
  { label: 'Size', number: true, cell: (crl) => bytes(crl.bytes) },
  { label: 'This update', cell: (crl) => moment(crl.this_update) },
  { label: 'Next update', cell: (crl) => h('div', { class: 'stack tight' }, moment(crl.next_update), timeLeft(partName(crl), crl.this_update, crl.next_update)) },
  { label: 'Fetch', cell: (crl) => [['DER', crl.path], ['PEM', crl.path.replace(/crl$/, 'pem')]].map(([text, path]) =>
    [h('a', { href: origin + path, title: origin + path, rel: 'noopener' }, text), ' ']) },
];

function askUpload(issuer) {
  const fault = h('div');
  const send = async ([file]) => {
    try {
      const { changed, crl_number: crlNumber } = await api.upload(issuer.name, file);
      toast(changed ? `CRL ${crlNumber} is published.` : `CRL ${crlNumber} was the present one already.`);
      document.querySelector('dialog')?.close();
    } catch (error) {
      fault.replaceChildren(problem(error));
    }
  };
  return dialog({
    title: `Upload a CRL of ${issuer.name}`, confirm: 'Close', cancel: null, submit: async () => {},
    body: [h('p', null, 'It is verified before it replaces anything.'),
      dropZone({ text: 'Drop the CRL here, in DER or PEM.', label: 'Choose a file', accept: '.crl,.pem,.der', take: send }), fault],
  });
}

// The number of entries, the digest and the chain, below the table of one issuer.
function section(issuer, crls, origin, again) {
  const publish = async (event) => {
    event.target.disabled = true;
    try {
      toast(`CRL ${(await api.publish(issuer.name)).crl_number} of ${issuer.name} is published.`);
    } catch (error) {
      toast(error.message);
    }
    await again();
  };
  const whole = crls.find(({ crl }) => crl === 'whole');
  const actions = !session.may.publish() ? [] : issuer.key ? button('Publish now', publish, 'small')
    : button('Upload…', () => askUpload(issuer).then(again), 'small');
  return h('section', { class: 'card' },
    h('div', { class: 'head' }, h('div', { class: 'titles' }, h('h2', null, issuer.name), h('p', { class: 'small muted' }, issuer.subject)),
      h('div', { class: 'actions' }, actions)),
    whole && h('p', { class: 'small' }, h('span', { class: 'muted' }, 'SHA-256 of the DER '), h('code', null, whole.etag)),
    h('p', { class: 'small' }, h('span', { class: 'muted' }, 'With those of all CAs above: '),
      h('a', { href: `${origin}/crl/${issuer.name}/chain.pem` }, `${origin}/crl/${issuer.name}/chain.pem`)),
    table(`CRLs of ${issuer.name}`, columns(origin), crls, 'None is published yet.'));
}

export async function show(root, { query, signal }) {
  const place = h('div', { class: 'stack' });
  root.append(head('CRLs', 'As they are served to everybody.'), place);
  async function load() {
    const [{ issuers }, status] = await Promise.all([api.issuers(signal), api.status(signal)]);
    const chosen = query.get('issuer') ? issuers.filter(({ name }) => name === query.get('issuer')) : issuers;
    const lists = await Promise.all(chosen.map(({ name }) => api.crls(name, signal)));
    renew(place, query.get('issuer') && h('p', null, h('a', { href: '#/crls' }, 'All issuers')),
      chosen.map((issuer, i) => section(issuer, lists[i], publicOrigin(status.public), load)));
  }
  const again = () => load().catch((error) => signal.aborted || renew(place, problem(error)));
  feed.listen(() => setTimeout(() => signal.aborted || again(), 1200), signal);
  const timer = setInterval(again, 30000);
  signal.addEventListener('abort', () => clearInterval(timer));
  await again();
}
