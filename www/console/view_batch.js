// Many at once: a list of serials or NDJSON is pasted or dropped; the result of each line is shown as it comes.
import * as api from './api.js';
import { number } from './format.js';
import { HOLD, reasons } from './reasons.js';
import { button, dialog, dropZone, field, figure, h, head, notice, problem, select, table } from './ui.js';

const CALL_LINES = 50000; // in one call; the API takes 100,000 lines and 16 MiB
const SHOWN = 200; // faults

const linesOf = (text) => text.split('\n').map((line) => line.trim()).filter(Boolean);
const faultColumns = [
  { label: 'Line', number: true, cell: (fault) => number(fault.line) },
  { label: 'Serial', class: 'serial', cell: (fault) => fault.serial ?? '' },
  { label: 'Why', cell: (fault) => fault.problem.detail },
];

// How it goes: a bar, the sums, and what could not be done.
function board(total) {
  const counts = { revoked: 0, hold: 0, already: 0, error: 0 }, faults = [];
  const bar = h('progress', { max: total, value: 0, 'aria-label': 'Lines done' });
  const title = h('h2'), sums = h('dl', { class: 'figures' }), list = h('div');
  let done = 0, due = false;
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
    add(result, before) {
      counts[result.status]++;
      done++;
      if (result.status === 'error' && faults.length < SHOWN) faults.push({ ...result, line: before + result.line });
      if (!due) (due = true), requestAnimationFrame(draw);
    },
    draw,
  };
}

export async function show(root, { signal }) {
  const { issuers } = await api.issuers(signal);
  const text = h('textarea', { spellcheck: 'false', placeholder: '4eae7136ffdbf509\n{"serial":"1a2b","reason":"superseded"}' });
  const issuer = select(null, issuers.map(({ name }) => [name, name]), issuers[0]?.name);
  const reason = select(null, reasons.map(([value, words]) => [value, words]), 'keyCompromise');
  const place = h('div', { class: 'stack', role: 'status' });
  const go = h('button', { type: 'submit', class: 'button danger' }, 'Revoke…');
  let work = null;

  const count = () => (go.textContent = text.value.trim() ? `Revoke ${number(linesOf(text.value).length)}…` : 'Revoke…');
  const take = async ([file]) => ((text.value = await file.text()), count());

  async function run(lines) {
    const progress = board(lines.length);
    const stop = button('Stop', () => work.abort());
    work = new AbortController();
    signal.addEventListener('abort', () => work?.abort());
    go.disabled = true;
    place.replaceChildren(progress.element, stop);
    try {
      for (let from = 0; from < lines.length; from += CALL_LINES)
        await api.revokeBatch(issuer.value, reason.value, lines.slice(from, from + CALL_LINES).join('\n'),
          (result) => result.status && progress.add(result, from), work.signal);
      progress.draw();
      const { error } = progress.counts;
      stop.replaceWith(error ? notice('hold', 'Finished, with errors', `${number(error)} lines could not be done; all others are on disk.`)
        : notice('good', 'Finished', 'All of it is on disk; OCSP says so now, and the next CRL lists it.'));
    } catch (error) {
      stop.replaceWith(error.name === 'AbortError' ? notice('hold', 'Stopped', 'What is counted above is done. To send all of it again is harmless.')
        : problem(error));
    }
    go.disabled = false;
  }

  async function ask(event) {
    event.preventDefault();
    const lines = linesOf(text.value);
    if (!lines.length) return text.focus();
    const holds = reason.value === HOLD;
    const agreed = await dialog({
      title: `${holds ? 'Put on hold' : 'Revoke'} ${number(lines.length)} certificates of ${issuer.value}?`,
      body: h('p', null, holds ? 'They are refused until they are released.' : 'This is for good. A line that names another reason keeps it.'),
      confirm: `${holds ? 'Put on hold' : 'Revoke'} ${number(lines.length)}`, kind: 'danger', submit: async () => true,
    });
    if (agreed) await run(lines);
  }

  text.addEventListener('input', count);
  root.append(head('Revoke many', 'A serial a line, or NDJSON with a reason each.'),
    h('form', { class: 'card', onsubmit: ask },
      h('div', { class: 'filters' }, field('Issuer', issuer), field('Reason', reason)),
      field('Serials', text),
      dropZone({ text: 'Or drop a file with them.', label: 'Choose a file', accept: '.txt,.csv,.json,.ndjson,.jsonl', take }),
      h('div', { class: 'actions' }, go)),
    place);
  root.querySelector('h1').focus({ preventScroll: true });
}
