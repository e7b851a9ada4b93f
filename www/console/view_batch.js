// Many at once: a list is pasted or dropped, what cannot be read in it is said, and the result of each line as it comes.
import * as api from './api.js';
import { number } from './format.js';
import { HOLD, reasons } from './reasons.js';
import { readList, toJson } from './serials.js';
import { button, dialog, dropZone, field, figure, h, head, notice, problem, renew, select, table } from './ui.js';

const CALL_LINES = 50000; // in one call; the API takes 100,000 lines and 16 MiB
const SHOWN = 200, SHOWN_BEFORE = 5; // faults

const count = (n, what) => `${number(n)} ${what}${n === 1 ? '' : 's'}`;
const faultColumns = [
  { label: 'Line', number: true, cell: (fault) => number(fault.line) },
  { label: 'What stands there', class: 'serial', cell: (fault) => fault.text },
  { label: 'Why not', cell: (fault) => fault.why },
];

// What of a list cannot be read, before anything is done.
const unread = (faults) => faults.length > 0 && [
  notice('hold', `${count(faults.length, 'line')} cannot be read`, 'Nothing is done with what stands there.'),
  table('Lines that cannot be read', faultColumns, faults.slice(0, SHOWN_BEFORE), ''),
  faults.length > SHOWN_BEFORE && h('p', { class: 'small muted' }, `And ${number(faults.length - SHOWN_BEFORE)} more.`)];

// How it goes: a bar, the sums, and what could not be done, with what could not be read.
function board(rows, unreadable) {
  const total = rows.length + unreadable.length, faults = unreadable.slice(0, SHOWN);
  const counts = { revoked: 0, hold: 0, already: 0, error: unreadable.length };
  const bar = h('progress', { max: total, value: 0, 'aria-label': 'Lines done' });
  const title = h('h2'), sums = h('dl', { class: 'figures' }), list = h('div');
  let done = unreadable.length, due = false;
  function draw() {
    due = false;
    bar.value = done;
    title.textContent = `${number(done)} of ${number(total)} done`;
    sums.replaceChildren(figure('Revoked', number(counts.revoked), counts.revoked ? 'revoked' : 'zero'),
      figure('On hold', number(counts.hold), counts.hold ? 'hold' : 'zero'),
      figure('Were so already', number(counts.already), counts.already ? '' : 'zero'),
      figure('Errors', number(counts.error), counts.error ? 'revoked' : 'zero'));
    list.replaceChildren(...(faults.length ? [table('Errors', faultColumns, faults, '')] : []));
  }
  draw();
  return {
    element: h('section', { class: 'card', 'aria-label': 'Progress' }, title, bar, sums, list),
    counts,
    add(result, { line, text }) {
      counts[result.status]++;
      done++;
      if (result.status === 'error' && faults.length < SHOWN) faults.push({ line, text, why: result.problem.detail });
      if (!due) (due = true), requestAnimationFrame(draw);
    },
    draw,
  };
}

export async function show(root, { signal }) {
  const { issuers } = await api.issuers(signal);
  const text = h('textarea', { spellcheck: 'false', placeholder: '# stolen in May\n4eae7136ffdbf509\ndec:1715004\n1a:2b:3c,superseded' });
  const names = issuers.map(({ name }) => [name, name]);
  const issuer = select({ required: true }, names.length > 1 ? [['', 'Choose…'], ...names] : names); // a wrong one would be revoked in, too
  const reason = select(null, reasons, 'keyCompromise');
  const place = h('div', { class: 'stack', role: 'status' });
  const go = h('button', { type: 'submit', class: 'button danger' }, 'Revoke…');
  const before = h('div', { class: 'stack', role: 'status' });
  let list = readList(''), work = null;

  function read() {
    list = readList(text.value);
    go.textContent = list.rows.length ? `Revoke ${number(list.rows.length)}…` : 'Revoke…';
    renew(before, unread(list.faults));
  }
  const take = async ([file]) => ((text.value = await file.text()), read());

  async function run({ rows, faults }) {
    const progress = board(rows, faults);
    const stop = button('Stop', () => work.abort());
    const [to, why] = [issuer.value, reason.value]; // whatever is chosen meanwhile
    work = new AbortController();
    signal.addEventListener('abort', () => work?.abort());
    go.disabled = true;
    before.replaceChildren();
    place.replaceChildren(progress.element, stop);
    try {
      for (let from = 0; from < rows.length; from += CALL_LINES)
        await api.revokeBatch(to, why, rows.slice(from, from + CALL_LINES).map(toJson).join('\n'),
          (result) => result.status && progress.add(result, rows[from + result.line - 1]), work.signal);
      progress.draw();
      const { error } = progress.counts;
      stop.replaceWith(error ? notice('hold', 'Finished, with errors', `${count(error, 'line')} could not be done; all others are on disk.`)
        : notice('good', 'Finished', 'All of it is on disk; OCSP says so now, and the next CRL lists it.'));
    } catch (error) {
      stop.replaceWith(error.name === 'AbortError' ? notice('hold', 'Stopped', 'What is counted above is done. To send all of it again is harmless.')
        : problem(error));
    }
    go.disabled = false;
  }

  async function ask(event) {
    event.preventDefault();
    const { rows, faults } = list;
    if (!rows.length) return text.focus();
    const holds = reason.value === HOLD;
    const agreed = await dialog({
      title: `${holds ? 'Put on hold' : 'Revoke'} ${count(rows.length, 'certificate')} of ${issuer.value}?`,
      body: [h('p', null, holds ? 'They are refused until they are released.' : 'This is for good. A line that names another reason keeps it.'),
        unread(faults)],
      confirm: `${holds ? 'Put on hold' : 'Revoke'} ${number(rows.length)}`, kind: 'danger', submit: async () => true,
    });
    if (agreed) await run(list);
  }

  text.addEventListener('input', read);
  root.append(head('Revoke many', 'A serial a line, with a reason of its own behind a comma; annulctl revoke --from takes the same file.'),
    h('form', { class: 'card', onsubmit: ask },
      h('div', { class: 'filters' }, field('Issuer', issuer), field('Reason', reason)),
      field('Serials', text),
      dropZone({ text: 'Or drop a file with them.', label: 'Choose a file', accept: '.txt,.csv', take }),
      h('div', { class: 'actions' }, go)),
    before, place);
  root.querySelector('h1').focus({ preventScroll: true });
}
