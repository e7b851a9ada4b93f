// Why certificates are revoked (RFC 5280 section 5.3.1), in words.
export const HOLD = 'certificateHold';

export const reasons = [
  ['keyCompromise', 'Key compromise', 'The private key leaked, or may have.'],
  [HOLD, 'On hold', 'For now: a hold can be released again.'],
  ['superseded', 'Superseded', 'A new certificate has taken its place.'],
  ['cessationOfOperation', 'Out of service', 'The device or service is no more.'],
  ['affiliationChanged', 'Affiliation changed', 'The name in it is not right any more.'],
  ['privilegeWithdrawn', 'Privilege withdrawn', 'Its holder may no longer do what it stands for.'],
  ['cACompromise', 'CA compromise', 'The certificate is of a CA whose key leaked.'],
  ['aACompromise', 'Attribute authority compromise', 'The certificate is of an attribute authority whose key leaked.'],
  ['unspecified', 'Unspecified', 'No reason is told to anybody.'],
];

export const reasonText = (name) => reasons.find(([each]) => each === name)?.[1] ?? name;
// By any case of its name.
export const reasonNamed = (text) => reasons.find(([each]) => each.toLowerCase() === text.toLowerCase())?.[0];
export const isCompromise = (name) => /Compromise$/.test(name);
