// Elements. What comes from the server goes into the page as text, never as markup.

const NS = 'http://www.w3.org/2000/svg';

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'value') element.value = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// h('a', {href, onclick …}, children …): an element; children are elements or texts.
export const h = (tag, props, ...children) => fill(document.createElement(tag), props, children);
export const svg = (tag, props, ...children) => fill(document.createElementNS(NS, tag), props, children);

let count = 0;
export const newId = (what) => `${what}-${++count}`;

export const button = (text, onclick, kind = '') =>
  h('button', { type: 'button', class: `button ${kind}`, onclick }, text);

export const badge = (status, text = status) => h('span', { class: `badge ${status}` }, text);

// A labelled control. `hint` is read out with it.
export function field(label, control, { hint, wide } = {}) {
  control.id ||= newId('field');
  const below = hint && h('span', { class: 'hint', id: newId('hint') }, hint);
  if (below) control.setAttribute('aria-describedby', below.id);
  return h('div', { class: wide ? 'field wide' : 'field' }, h('label', { for: control.id }, label), control, below);
}

// One whose hint is what the present choice means; choices: [value, text, meaning].
export function explained(label, control, choices) {
  const self = field(label, control, { hint: ' ' });
  const explain = () => (self.querySelector('.hint').textContent = choices.find(([value]) => value === control.value)[2]);
  control.addEventListener('change', explain);
  explain();
  return self;
}

export const select = (props, options, chosen) =>
  h('select', props, options.map(([value, text]) => h('option', { value, selected: value === chosen }, text)));

export const facts = (list) =>
  h('dl', { class: 'facts' }, list.filter(Boolean).map(([name, ...values]) => [h('dt', null, name), h('dd', null, ...values)]));

export const figure = (name, value, kind = '') => h('div', null, h('dt', null, name), h('dd', { class: kind }, value));

// A head of a view: its one h1, a line below, actions beside.
export const head = (title, below, ...actions) =>
  h('div', { class: 'head' },
    h('div', { class: 'titles' }, h('h1', { tabindex: -1 }, title), below && h('p', { class: 'muted' }, below)),
    h('div', { class: 'actions' }, actions));

// columns: [{label, cell(row), number, head, class}]. On a narrow screen each row becomes a block, with its labels.
export function table(caption, columns, rows, empty) {
  if (!rows.length) return h('div', { class: 'table' }, h('p', { class: 'empty' }, empty));
  const cells = (row) => columns.map((column) =>
    h(column.head ? 'th' : 'td', {
      scope: column.head && 'row', 'data-label': column.label || null, class: column.class ?? (column.number && 'number'),
    }, column.cell(row)));
  return h('div', { class: 'table' }, h('table', { class: 'rows' },
    h('caption', { class: 'sr' }, caption),
    h('thead', null, h('tr', null, columns.map((column) =>
      h('th', { scope: 'col', class: column.number && 'number' }, column.label || h('span', { class: 'sr' }, 'Actions'))))),
    h('tbody', null, rows.map((row) => h('tr', null, cells(row))))));
}

// Where a search takes longer: it is told, and what was found before stays until there is news.
export const searching = (place) => () => place.prepend(h('p', { class: 'small muted', role: 'status' }, 'Searching…'));
export const NOTHING_YET = 'Nothing so far: the search goes on with the next page.';

// What the server refused, in its own words, with what can be done about it.
export function problem(error) {
  const advice = error.status === 403 ? 'Your role, or what it is for, does not allow this; somebody with more rights can do it.' : null;
  return h('div', { class: 'notice revoked', role: 'alert' }, h('strong', null, error.title ?? 'That did not work'), error.message,
    advice && h('p', null, advice), error.id && h('p', { class: 'small muted' }, 'Request ', h('code', null, error.id)));
}

export const notice = (kind, title, ...text) =>
  h('div', { class: `notice ${kind}` }, h('strong', null, title), ...text);

// Said to screen readers, and shown for some seconds.
export function toast(text) {
  const line = h('p', null, text);
  document.getElementById('toasts').append(line);
  setTimeout(() => line.remove(), 6000);
}

export function copyButton(text, label = 'Copy') {
  const self = button(label, async () => {
    await navigator.clipboard.writeText(text);
    self.textContent = 'Copied';
    setTimeout(() => (self.textContent = label), 2000);
  }, 'small');
  return self;
}

// A modal dialog around a form, to be sent when it is `ready`. `submit` may throw: the dialog stays, with the reason.
// Resolves to what it returned, or undefined where it was closed.
export function dialog({ title, body, confirm, kind = 'primary', cancel = 'Cancel', ready = () => true, submit }) {
  const id = newId('dialog');
  const fault = h('div', { class: 'fault' });
  const go = h('button', { type: 'submit', class: `button ${kind}` }, confirm);
  const form = h('form', { method: 'dialog', novalidate: true }, h('h2', { id }, title), body, fault,
    h('div', { class: 'actions' }, cancel && button(cancel, () => self.close()), go));
  const self = h('dialog', { 'aria-labelledby': id }, form);
  const look = () => (go.disabled = !ready());
  look();
  return new Promise((resolve) => {
    let result;
    form.addEventListener('input', look);
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      go.disabled = true;
      try {
        result = await submit();
        self.close();
      } catch (error) {
        fault.replaceChildren(problem(error));
      }
      look();
    });
    self.addEventListener('close', () => (self.remove(), resolve(result)));
    document.body.append(self);
    self.showModal();
  });
}

// Where files are dropped or chosen; `take` gets an array of them.
export function dropZone({ text, label, accept, multiple, take }) {
  const input = h('input', {
    type: 'file', accept, multiple, id: newId('file'), tabindex: -1, 'aria-hidden': 'true',
    onchange: () => (take([...input.files]), (input.value = '')),
  });
  const zone = h('div', { class: 'drop' }, h('p', { class: 'muted' }, text), button(label, () => input.click()), input);
  zone.addEventListener('dragover', (event) => (event.preventDefault(), zone.classList.add('over')));
  zone.addEventListener('dragleave', () => zone.classList.remove('over'));
  zone.addEventListener('drop', (event) => {
    event.preventDefault();
    event.stopPropagation();
    zone.classList.remove('over');
    document.dispatchEvent(new Event('dropped'));
    take([...event.dataTransfer.files]);
  });
  return zone;
}

// New content in the place of old; the focus stays on what has the same id or address.
export function renew(place, ...children) {
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  const key = focused?.id ? `#${focused.id}` : focused?.getAttribute('href') && `[href="${CSS.escape(focused.getAttribute('href'))}"]`;
  place.replaceChildren(...children.flat().filter(Boolean));
  if (key) place.querySelector(key)?.focus({ preventScroll: true });
}
