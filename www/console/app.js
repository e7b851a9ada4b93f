// Signing in and out, the frame, and which view is shown: the hash is the address, #/certificates?q=client.
import * as api from './api.js';
import * as feed from './feed.js';
import * as session from './session.js';
import { emergency, watchDrops } from './emergency.js';
import { button, h, problem } from './ui.js';
import * as audit from './view_audit.js';
import * as batch from './view_batch.js';
import * as certificate from './view_certificate.js';
import * as certificates from './view_certificates.js';
import * as crls from './view_crls.js';
import * as overview from './view_overview.js';
import * as register from './view_register.js';
import * as signIn from './view_signin.js';
import * as tokens from './view_tokens.js';

const always = () => true;
const views = [
  { path: '', view: overview, title: 'Overview', may: always },
  { path: 'certificates', view: certificates, title: 'Certificates', may: always },
  { path: 'register', view: register, title: 'Register', may: session.may.change },
  { path: 'batch', view: batch, title: 'Batch', may: session.may.change },
  { path: 'crls', view: crls, title: 'CRLs', may: always },
  { path: 'audit', view: audit, title: 'Audit log', may: always },
  { path: 'tokens', view: tokens, title: 'Tokens', may: session.may.manage },
  { path: 'certificate', view: certificate, title: 'Certificate', may: always, hidden: true },
];

const main = document.getElementById('main');
const bar = document.getElementById('bar');
const nav = document.getElementById('nav');
const menu = document.getElementById('menu');
const findText = document.getElementById('find-text');
const revokeButton = document.getElementById('emergency');
const live = h('span', { class: 'live' }, 'Live');

let shown = new AbortController(); // the present view
let signedIn = null; // the session

function read(hash) {
  const [path, query] = hash.replace(/^#\/?/, '').split('?');
  const [name, ...parts] = path.split('/').map(decodeURIComponent);
  return { entry: views.find((each) => each.path === name && each.may()), parts, query: new URLSearchParams(query) };
}

function stopView() {
  shown.abort();
  for (const open of document.querySelectorAll('dialog')) open.close();
}

async function show() {
  if (!location.hash.startsWith('#/') && location.hash !== '') return; // the link to the content
  stopView();
  shown = new AbortController();
  const { signal } = shown;
  const { entry, parts, query } = read(location.hash);
  openMenu(false);
  main.replaceChildren();
  const current = entry?.hidden ? 'certificates' : entry?.path;
  for (const link of nav.querySelectorAll('a')) {
    if (link.dataset.path === current) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  document.title = `${entry?.title ?? 'Not found'} · Annul`;
  const root = h('div', { class: 'stack' });
  main.append(root);
  const refuse = (error) => signal.aborted || root.append(problem(error));
  if (entry) Promise.resolve(entry.view.show(root, { parts, query, signal })).catch(refuse);
  else root.append(h('h1', { tabindex: -1 }, 'There is no such page'), h('p', null, h('a', { href: '#/' }, 'To the overview')));
  focusHead();
}

// So that a screen reader says where one is, and Tab goes on from there.
function focusHead() {
  (main.querySelector('h1') ?? main).focus({ preventScroll: true });
  scrollTo(0, 0);
}

function openMenu(open) {
  nav.classList.toggle('open', open);
  menu.setAttribute('aria-expanded', open);
}

function drawFrame() {
  const { name, role, issuers, version } = session.who();
  const links = views.filter((each) => !each.hidden && each.may())
    .map(({ path, title }) => h('a', { href: `#/${path}`, 'data-path': path }, title));
  nav.replaceChildren(...links, h('div', { class: 'who' }, live, h('span', { class: 'mono' }, name),
    h('span', { class: 'muted' }, issuers ? `${role} of ${issuers.join(', ')}` : role),
    button('Sign out', () => leave(), 'small'), h('span', { class: 'muted' }, `Annul ${version}`)));
  revokeButton.hidden = !session.may.change();
  bar.hidden = nav.hidden = false;
}

async function enter() {
  await session.enter();
  signedIn = new AbortController();
  drawFrame();
  feed.follow((connected) => {
    live.classList.toggle('lost', !connected);
    live.textContent = connected ? 'Live' : 'Connecting…';
  }, signedIn.signal);
  await show();
}

function leave(why) {
  signedIn?.abort();
  signedIn = null;
  stopView();
  session.leave();
  bar.hidden = nav.hidden = true;
  askForToken(why);
}

function askForToken(why) {
  document.title = 'Sign in · Annul';
  main.replaceChildren(signIn.form(why, async (token) => {
    api.token.set(token);
    try {
      await enter();
    } catch (error) {
      session.leave();
      throw error;
    }
  }));
}

addEventListener('hashchange', () => signedIn && show());
menu.addEventListener('click', () => openMenu(!nav.classList.contains('open')));
revokeButton.addEventListener('click', () => emergency());
document.getElementById('find').addEventListener('submit', (event) => {
  event.preventDefault();
  location.hash = `#/certificates?${new URLSearchParams({ q: findText.value.trim() })}`;
  findText.value = '';
});
document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.target.closest('input, textarea, select, dialog') || !signedIn) return;
  event.preventDefault();
  findText.focus();
});
document.addEventListener('unauthorized', ({ detail: refusal }) => {
  if (signedIn) leave(api.token.get() ? 'Your token has expired or was revoked. Sign in with another one.' : refusal.message);
});
addEventListener('unhandledrejection', (event) => {
  if (event.reason?.name === 'AbortError') event.preventDefault(); // of a view that was left
});
watchDrops(() => signedIn && session.may.change());

// By https the browser may have shown a client certificate, which needs no token.
// Where it has shown none, or a token is too old, there is nothing to say but to ask for one.
const isForToken = ({ status, message }) => status === 401 && !/client certificate/.test(message);
if (api.token.get() || location.protocol === 'https:') enter().catch((error) => leave(isForToken(error) ? undefined : error.message));
else askForToken();
