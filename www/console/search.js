// Certificates of one issuer or of all, a page at a time. A place is {issuer, after}: the API has a cursor an issuer.
import * as api from './api.js';

// A page of `limit` rows behind `place` (null: from the beginning), and the place of the next one, or null.
export async function search({ q, status, issuer }, place, limit, signal) {
  const names = issuer ? [issuer] : (await api.issuers(signal)).issuers.map(({ name }) => name);
  const rows = [];
  for (let i = place ? names.indexOf(place.issuer) : 0; i >= 0 && i < names.length; i++) {
    const after = place?.issuer === names[i] ? place.after : null;
    if (rows.length === limit) return { rows, next: { issuer: names[i], after } };
    const page = await api.certificates(names[i], { q, status, after, limit: limit - rows.length }, signal);
    rows.push(...page.certificates);
    if (page.next) return { rows, next: { issuer: names[i], after: page.next } };
  }
  return { rows, next: null };
}
