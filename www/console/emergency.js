// From a leaked key to its revocation, as short as it can be: type a part of the name or the serial, or drop the file.
import * as api from './api.js';
import { issuerOf } from './authority.js';
import { readFile } from './der.js';
import { commonName } from './format.js';
import { askRevoke } from './revoke.js';
import { search } from './search.js';
import { badge, button, dropZone, field, h, newId, problem } from './ui.js';

const MOST = 5; // results shown
const PAUSE_MS = 150; // of typing

export const address = ({ issuer, serial }) => `#/certificate/${encodeURIComponent(issuer)}/${serial}`;

async function revokeAndShow(certificate) {
  const done = await askRevoke(certificate);
  if (done) location.hash = address(done);
}

// Which registered certificate a file is; with its octets where it is not registered. Throws what to say.
export async function identify(file) {
  const [found, ...others] = await readFile(file);
  if (!found) throw new Error(`${file.name} holds no certificate.`);
  if (others.length) throw new Error(`${file.name} holds ${others.length + 1} certificates. Drop the one to revoke in a file of its own, so that a chain does not revoke its CA.`);
  const { issuers } = await api.issuers();
  const issuer = issuerOf(found, issuers);
  if (!issuer) throw new Error(`${found.commonName || file.name} was issued by none of the CAs that you see here.`);
  const { certificates } = await api.certificates(issuer.name, { q: found.serial, limit: 1 });
  const known = certificates.find(({ serial }) => serial === found.serial) ??
    { issuer: issuer.name, serial: found.serial, subject: found.commonName && `CN=${found.commonName}`, der: found.der };
  return { ...known, isCa: found.isCa };
}

// `fault` is why a file that was dropped is not taken.
export function emergency(fault) {
  const input = h('input', { type: 'search', autocomplete: 'off', spellcheck: 'false', placeholder: 'client-1 or 4eae71…' });
  const results = h('ul', { class: 'results', id: newId('results') });
  const said = h('p', { class: 'small muted', role: 'status' });
  const title = newId('dialog');
  const self = h('dialog', { 'aria-labelledby': title });
  const refuse = (error) => results.replaceChildren(h('li', null, problem(error)));
  const refuseFile = ({ title = 'Not this file', message }) => refuse({ title, message });
  const take = (certificate) => (self.close(), revokeAndShow(certificate).catch(emergency));
  let latest = 0, timer;

  async function look() {
    const mine = ++latest, text = input.value.trim();
    if (!text) return results.replaceChildren(), (said.textContent = '');
    const still = () => mine === latest && self.isConnected, tell = () => still() && (said.textContent = 'Searching…');
    const { rows, next } = await search({ q: text }, null, MOST, { still, tell });
    if (!still()) return;
    said.textContent = rows.length ? `${rows.length}${next ? ' and more' : ''} found`
      : next ? 'Nothing found so far. Type more of it.' : 'Nothing found. Not registered? Drop its file.';
    results.replaceChildren(...rows.map((row) => h('li', null, h('button', {
      type: 'button', class: 'result', disabled: row.status === 'revoked', onclick: () => take(row),
    }, h('span', null, h('strong', null, commonName(row.subject)), h('code', null, row.serial)), badge(row.status)))));
  }

  input.addEventListener('input', () => (clearTimeout(timer), (timer = setTimeout(() => look().catch(refuse), PAUSE_MS))));
  self.append(h('form', {
    method: 'dialog', onsubmit: (event) => (event.preventDefault(), results.querySelector('button:enabled')?.click()),
  }, h('h2', { id: title }, 'Revoke a certificate'), field('Serial or subject', input), said, results,
  dropZone({
    text: 'Or drop its certificate here, in PEM or DER.', label: 'Choose a file', accept: '.pem,.crt,.cer,.der',
    take: ([file]) => identify(file).then(take).catch(refuseFile),
  }), h('div', { class: 'actions' }, button('Cancel', () => self.close()))));
  self.addEventListener('close', () => self.remove());
  document.body.append(self);
  self.showModal();
  if (fault) refuseFile(fault);
  input.focus();
}

// A file dropped anywhere on the page leads to its certificate. `active` tells whether that is for who is signed in.
export function watchDrops(active) {
  const veil = h('div', { class: 'dropping' }, 'Drop a certificate to revoke it');
  let depth = 0;
  const end = () => ((depth = 0), veil.remove());
  const ours = (event) => active() && event.dataTransfer?.types.includes('Files') && !document.querySelector('dialog, .drop');
  document.addEventListener('dragenter', (event) => ours(event) && depth++ === 0 && document.body.append(veil));
  document.addEventListener('dragleave', (event) => ours(event) && --depth === 0 && veil.remove());
  document.addEventListener('dragover', (event) => event.preventDefault());
  document.addEventListener('dropped', end);
  document.addEventListener('drop', async (event) => {
    event.preventDefault(); // or the browser would open it
    const mine = ours(event);
    end();
    if (!mine) return;
    try {
      const certificate = await identify(event.dataTransfer.files[0]);
      if (certificate.status === 'revoked') location.hash = address(certificate);
      else await revokeAndShow(certificate);
    } catch (error) {
      emergency(error);
    }
  });
}
