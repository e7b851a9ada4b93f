import { field, h, problem } from './ui.js';

// `why` is what ended the session before, if anything did. `submit` throws where the token is not good.
export function form(why, submit) {
  const input = h('input', { type: 'password', autocomplete: 'off', spellcheck: 'false', required: true });
  const fault = h('div', { class: 'fault' });
  const go = h('button', { type: 'submit', class: 'button primary' }, 'Sign in');
  const refuse = (error) => {
    fault.replaceChildren(error.status === 401
      ? problem({ title: 'This token is not accepted', message: 'It is unknown, expired or revoked. Check that all of it was pasted.' })
      : problem(error));
    input.select();
  };
  const self = h('section', { class: 'signin' },
    h('div', { class: 'stack' }, h('img', { src: '/assets/icon.svg', alt: '', width: 40, height: 40 }),
      h('h1', null, 'Sign in to Annul')),
    why && h('div', { class: 'notice hold sentence', role: 'status' }, why),
    h('form', {
      class: 'card',
      onsubmit: async (event) => {
        event.preventDefault();
        fault.replaceChildren();
        go.disabled = true;
        const token = input.value.trim();
        if (/^[\x21-\x7e]+$/.test(token)) await submit(token).catch(refuse);
        else refuse({ status: 401 }); // no header can have it
        go.disabled = false;
      },
    }, field('Token', input, { hint: 'It begins with annul_ and is forgotten when this tab is closed.' }), fault, go),
    h('p', { class: 'small muted' }, 'The first one is made as root on the server:',
      h('code', { class: 'line' }, 'annulctl token create --role administrator NAME')));
  queueMicrotask(() => input.focus());
  return self;
}
