// A list of certificates in a file, as `annulctl revoke --from` takes it: SERIAL or SERIAL,REASON a line, blank lines, and
// comments that begin with #.
import { reasonNamed } from './reasons.js';

const LINE_MAX = 255, SERIAL_MAX = 40; // characters; hexadecimal digits

// Hex, perhaps with colons, or dec: and digits; null: neither.
function isSerial(text) {
  const decimal = /^dec:(\d+)$/i.exec(text);
  const hex = decimal ? BigInt(decimal[1]).toString(16) : /^(?:0x)?([\da-f][\da-f: ]*)$/i.exec(text)?.[1];
  return Boolean(hex) && hex.replace(/[: ]/g, '').replace(/^0+/, '').length <= SERIAL_MAX;
}

// What is wrong with a line; undefined: nothing.
function faultOf(serial, reason) {
  if (serial.length > LINE_MAX || !isSerial(serial)) return 'this is not a serial number';
  return reason && !reasonNamed(reason) ? 'what is behind the comma is no reason' : undefined;
}

// {rows: [{line, text, serial, reason}], faults: [{line, text, why}]}; `line` counts from 1, `reason` may be missing.
export function readList(list) {
  const rows = [], faults = [];
  list.split('\n').forEach((each, i) => {
    const text = each.trim(), comma = text.indexOf(',');
    if (!text || text === ',' || text.startsWith('#')) return;
    const serial = (comma < 0 ? text : text.slice(0, comma)).trim().replace(/^serial=/, ''); // as openssl x509 prints it
    const reason = comma < 0 ? '' : text.slice(comma + 1).trim();
    const why = faultOf(serial, reason);
    if (why) faults.push({ line: i + 1, text, why });
    else rows.push({ line: i + 1, text, serial, reason: reasonNamed(reason) });
  });
  return { rows, faults };
}

// For the API. A line without a reason has that of the call.
export const toJson = ({ serial, reason }) => JSON.stringify({ serial, reason });
