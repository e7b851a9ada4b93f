// The admin API (annul-api(5)).
import * as clock from './clock.js';

const KEY = 'annul.token'; // lives as long as the tab

export const token = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
};

// What was refused, or could not be asked (status 0).
export class Problem extends Error {
  constructor(status, title, detail, id) {
    super(detail);
    Object.assign(this, { status, title, id });
  }
}

async function problemOf(response) {
  const body = await response.json().catch(() => ({}));
  return new Problem(response.status, body.title ?? response.statusText, body.detail ?? 'the server did not say why',
    body.request_id);
}

const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((octet) => octet.toString(16).padStart(2, '0')).join('');

// A change whose answer was lost is asked for once more: by its key the server does it once.
async function send(url, options, isChange) {
  if (isChange) options.headers['Idempotency-Key'] = newKey();
  try {
    return await fetch(url, options);
  } catch (error) {
    if (!isChange || error.name === 'AbortError') throw error;
    return fetch(url, options);
  }
}

// A response that is good, or a Problem. Of a 401 everybody hears: the token does not count any more.
async function call(method, path, { query, headers, body, signal, streams } = {}) {
  const search = new URLSearchParams(Object.entries(query ?? {}).filter(([, value]) => value || value === 0));
  const url = `/api/v1/${path}${search.size ? `?${search}` : ''}`;
  const authorization = token.get() && { Authorization: `Bearer ${token.get()}` }; // none: by a client certificate
  let response;
  try {
    response = await send(url, { method, body, signal, cache: 'no-store', headers: { ...headers, ...authorization } },
      method !== 'GET' && !streams);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem(0, 'The server cannot be reached', 'Nothing is known of what was asked for; look before you repeat it.');
  }
  clock.setBy(response.headers.get('Date'));
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (response.status === 401) document.dispatchEvent(new CustomEvent('unauthorized', { detail: problem }));
  throw problem;
}

const json = async (...args) => (await call(...args)).json();
const at = (...parts) => parts.map(encodeURIComponent).join('/');
const certificatePath = (issuer, serial) => at('issuers', issuer, 'certificates', serial);

export const me = () => json('GET', 'me');
export const issuers = (signal) => json('GET', 'issuers', { signal });
export const issuer = (name, signal) => json('GET', at('issuers', name), { signal });
export const status = (signal) => json('GET', 'status', { signal });
export const crls = async (issuer, signal) => (await json('GET', at('issuers', issuer, 'crls'), { signal })).crls;
export const publish = (issuer) => json('POST', at('issuers', issuer, 'crl'));
export const upload = (issuer, body) => json('PUT', at('issuers', issuer, 'crl'), { body });

export const certificates = (issuer, query, signal) => json('GET', at('issuers', issuer, 'certificates'), { query, signal });

// null where it is not registered. `etag` is of the object, for `release`.
export async function certificate(issuer, serial, signal) {
  try {
    const response = await call('GET', certificatePath(issuer, serial), { signal });
    return { ...(await response.json()), etag: response.headers.get('ETag') };
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}
export const proof = (issuer, serial, signal) => json('GET', `${certificatePath(issuer, serial)}/proof`, { signal });

// To revoke is never refused because somebody else changed the certificate meanwhile; to release is.
export const revoke = (issuer, serial, body) =>
  json('POST', `${certificatePath(issuer, serial)}/revoke`, { body: JSON.stringify(body) });
export const release = ({ issuer, serial, etag }) =>
  json('POST', `${certificatePath(issuer, serial)}/release`, { headers: etag ? { 'If-Match': etag } : {} });
export const revokeFile = (body, reason) => json('POST', 'revoke', { query: { reason }, body });
export const register = (body) => json('POST', 'certificates', { body });

// Gives each line of the answer, parsed, as it comes.
export async function revokeBatch(issuer, reason, body, each, signal) {
  const response = await call('POST', at('issuers', issuer, 'revoke-batch'), { query: { reason }, body, signal, streams: true });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ''; ;) {
    const { value, done } = await reader.read();
    const lines = (rest + (value ?? '')).split('\n');
    rest = lines.pop();
    for (const line of lines) if (line) each(JSON.parse(line));
    if (done) return;
  }
}

export const audit = (query, signal) => json('GET', 'audit', { query, signal });
export const changes = (since, wait, limit, signal) =>
  json('GET', 'changes', { query: { since, limit }, headers: wait ? { Prefer: `wait=${wait}` } : {}, signal });

export const tokens = async (signal) => (await json('GET', 'tokens', { signal })).tokens;
export const createToken = (body) => json('POST', 'tokens', { body: JSON.stringify(body) });
export const revokeToken = (id) => call('DELETE', at('tokens', id));
