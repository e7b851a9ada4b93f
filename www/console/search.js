// Certificates of one issuer or of all, a page at a time. A place is {issuer, after}: the API has a cursor an issuer.
import * as api from './api.js';

const CALLS = 20; // for one page: the server looks at so many rows a call, whether they match or not

// A page of `limit` rows behind `place` (null: from the beginning), and the place of the next one, or null.
export async function search({ q, status, issuer }, place, limit, signal) {
  const names = issuer ? [issuer] : (await api.issuers(signal)).issuers.map(({ name }) => name);
  const rows = [];
  let i = place ? names.indexOf(place.issuer) : 0, after = place?.after;
  for (let calls = 0; i < names.length && rows.length < limit && calls < CALLS; calls++) {
    const page = await api.certificates(names[i], { q, status, after, limit: limit - rows.length }, signal);
    rows.push(...page.certificates);
    after = page.next;
    if (!after) i++;
  }
  return { rows, next: i < names.length ? { issuer: names[i], after } : null };
}
