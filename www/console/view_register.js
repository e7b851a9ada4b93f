// Files become known certificates. Each file is a call of its own: a bad one does not keep the others out.
import * as api from './api.js';
import { address } from './emergency.js';
import { commonName, date } from './format.js';
import { badge, dropZone, h, head, notice, table } from './ui.js';

const columns = [
  { label: 'Subject', head: true, cell: (row) => h('a', { href: address(row) }, commonName(row.subject)) },
  { label: 'Status', cell: (row) => badge(row.status) },
  { label: 'Issuer', cell: (row) => row.issuer },
  { label: 'Serial', class: 'serial', cell: (row) => row.serial },
  { label: 'Valid until', cell: (row) => date(row.not_after) },
];

export function show(root, { signal }) {
  const bar = h('progress', { 'aria-label': 'Files sent', hidden: true });
  const sums = h('p', { role: 'status' });
  const faults = h('div', { class: 'stack' }), results = h('div');
  const rows = new Map();
  let added = 0, known = 0;

  async function take(files) {
    faults.replaceChildren();
    bar.hidden = false;
    [bar.max, bar.value] = [files.length, 0];
    for (const file of files) {
      if (signal.aborted) return;
      try {
        const answer = await api.register(file);
        added += answer.registered;
        known += answer.known;
        for (const row of answer.certificates) rows.set(address(row), row);
      } catch (error) {
        faults.append(notice('revoked', file.name, error.message));
      }
      bar.value++;
    }
    bar.hidden = true;
    sums.textContent = `${added} registered, ${known} known before.`;
    results.replaceChildren(table('Registered', columns, [...rows.values()], 'Nothing was registered.'));
  }

  root.append(head('Register certificates', 'What is registered is answered as good by OCSP, and can be revoked by its name.'),
    dropZone({ text: 'Drop certificates here, in PEM or DER. A file may hold many in PEM.', label: 'Choose files', multiple: true, take }),
    bar, sums, faults, results);
}
