// Which certificates are CAs: with such a one everything below it is refused.
import * as api from './api.js';
import { readPem } from './der.js';
import { commonName } from './format.js';

const own = ({ certificate }) => readPem(certificate)[0];

// Which of the issuers has issued what was read from a file; undefined: none.
export const issuerOf = (found, issuers) => issuers.find((each) => own(each).subjectName === found.issuerName);

// The CA that a certificate is of, {name, isRoot}, or null. Of those that are not our issuers the file alone says it (`isCa`).
export async function authorityOf({ issuer, serial, subject, isCa }) {
  const { issuers } = await api.issuers();
  const self = issuers.find((each) => own(each).serial === serial && issuerOf(own(each), issuers)?.name === issuer);
  return self || isCa ? { name: commonName(self?.subject ?? subject), isRoot: self?.name === issuer } : null;
}
