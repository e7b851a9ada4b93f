// Certificates of one issuer or of all, a page at a time. A place is {issuer, after}: the API has a cursor an issuer.
import * as api from './api.js';

// The server looks at so many rows a call, whether they match or not: a page may be short, or empty, before the last.
const CALLS = 400; // for one page
const PATIENCE = 3; // calls, before it is told that this takes longer

// A page of `limit` rows behind `place` (null: from the beginning), and the place of the next one, or null. `still`: whether
// anybody wants it; `tell` is called once where it takes longer.
export async function search({ q, status, issuer }, place, limit, { signal, still = () => true, tell = () => {} } = {}) {
  const names = issuer ? [issuer] : (await api.issuers(signal)).issuers.map(({ name }) => name);
  const rows = [];
  let i = place ? names.indexOf(place.issuer) : 0, after = place?.after;
  for (let calls = 0; i < names.length && rows.length < limit && calls < CALLS && still(); calls++) {
    if (calls === PATIENCE) tell();
    const page = await api.certificates(names[i], { q, status, after, limit: limit - rows.length }, signal);
    rows.push(...page.certificates);
    after = page.next;
    if (!after) i++;
  }
  return { rows, next: i < names.length ? { issuer: names[i], after } : null };
}

// The same of the audit trail, whose place is a number.
export async function searchAudit(query, place, limit, { signal, still = () => true, tell = () => {} } = {}) {
  const found = { audit: [], next: place };
  for (let calls = 0; calls === 0 || (found.next && found.audit.length < limit && calls < CALLS && still()); calls++) {
    if (calls === PATIENCE) tell();
    const page = await api.audit({ ...query, after: found.next, limit: limit - found.audit.length }, signal);
    found.audit.push(...page.audit);
    Object.assign(found, { next: page.next, head: page.head });
  }
  return found;
}
