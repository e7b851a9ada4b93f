// Just enough of X.509 to know which certificate a file is: its serial number, whose, and whether it is a CA. The server
// decides what it is worth.

// The value at `at`: where its content begins and ends.
function open(octets, at, tag) {
  let length = octets[at + 1], from = at + 2;
  if (octets[at] !== tag) throw new Error('not the expected value');
  if (length > 0x80) {
    const count = length & 0x7f;
    length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + octets[from++];
  }
  if (!(from + length <= octets.length)) throw new Error('cut off');
  return { from, end: from + length };
}
const SEQUENCE = 0x30, SET = 0x31, BOOLEAN = 1, INTEGER = 2, OCTETS = 4, OID = 6, VERSION = 0xa0, EXTENSIONS = 0xa3;

const hex = (octets) => [...octets].map((octet) => octet.toString(16).padStart(2, '0')).join('');

// The last commonName of a Name.
function commonName(octets, { from, end }) {
  let found = '';
  for (let at = from; at < end;) {
    const set = open(octets, at, SET), pair = open(octets, set.from, SEQUENCE), oid = open(octets, pair.from, OID);
    const value = open(octets, oid.end, octets[oid.end]);
    if (hex(octets.slice(oid.from, oid.end)) === '550403') found = new TextDecoder().decode(octets.slice(value.from, value.end));
    at = set.end;
  }
  return found;
}

// Whether basicConstraints, somewhere in what is between `at` and `end`, says that it is a CA.
function saysCa(octets, at, end) {
  while (at < end && octets[at] !== EXTENSIONS) at = open(octets, at, octets[at]).end; // unique identifiers
  if (at >= end) return false;
  const list = open(octets, open(octets, at, EXTENSIONS).from, SEQUENCE);
  for (at = list.from; at < list.end;) {
    const extension = open(octets, at, SEQUENCE), oid = open(octets, extension.from, OID);
    const critical = octets[oid.end] === BOOLEAN && open(octets, oid.end, BOOLEAN);
    if (hex(octets.slice(oid.from, oid.end)) === '551d13') {
      const { from, end } = open(octets, open(octets, critical ? critical.end : oid.end, OCTETS).from, SEQUENCE);
      return from < end && octets[from] === BOOLEAN && octets[from + 1] === 1 && octets[from + 2] !== 0;
    }
    at = extension.end;
  }
  return false;
}

export function readCertificate(der) {
  const tbs = open(der, open(der, 0, SEQUENCE).from, SEQUENCE);
  let at = tbs.from;
  if (der[at] === VERSION) at = open(der, at, VERSION).end;
  const serial = open(der, at, INTEGER), algorithm = open(der, serial.end, SEQUENCE), issuer = open(der, algorithm.end, SEQUENCE);
  const validity = open(der, issuer.end, SEQUENCE), subject = open(der, validity.end, SEQUENCE);
  const publicKey = open(der, subject.end, SEQUENCE);
  return {
    der,
    serial: hex(der.slice(serial.from, serial.end)).replace(/^(00)+(?=.)/, ''),
    commonName: commonName(der, subject),
    issuerName: hex(der.slice(issuer.from, issuer.end)),
    subjectName: hex(der.slice(subject.from, subject.end)),
    isCa: saysCa(der, publicKey.end, tbs.end),
  };
}

const BLOCK = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----([^-]*)-----END/g;

export const readPem = (text) => [...text.matchAll(BLOCK)].map(([, base64]) =>
  readCertificate(Uint8Array.from(atob(base64.replace(/\s/g, '')), (char) => char.charCodeAt(0))));

// The certificates in a file, PEM or DER; none where it is something else.
export async function readFile(file) {
  const octets = new Uint8Array(await file.arrayBuffer());
  try {
    return octets[0] === SEQUENCE ? [readCertificate(octets)] : readPem(new TextDecoder().decode(octets));
  } catch {
    return [];
  }
}
