// Scenarios in Chromium. Each has a browser context of its own, and fails also where the console has an error or anything
// is asked of another origin.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

export const env = process.env; // PUBLIC, ADMIN: origins; TOKEN, PKI, SOCKET, CTL: see lib.sh
const require = createRequire(`${env.WEB}/`);
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const browser = await chromium.launch({
  executablePath: env.CHROMIUM ?? '/usr/bin/chromium',
  // no sandbox for root, as in a container; no names are resolved, so nobody else can be reached
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
});

// scenario(NAME, STEPS, OPTIONS): STEPS gets a page. OPTIONS are those of a Playwright context (colorScheme, viewport,
// javaScriptEnabled …), and `tolerated`: what console errors may say, such as /status of 401/.
export async function scenario(name, steps, { tolerated, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 850 }, ...options });
  const origins = [env.PUBLIC, env.ADMIN];
  const faults = [];
  const fault = (text) => tolerated?.test(text) || faults.push(text);
  context.setDefaultTimeout(10_000);
  context.on('console', (message) => ['error', 'warning'].includes(message.type()) && fault(message.text()));
  context.on('weberror', (error) => fault(String(error.error())));
  await context.addInitScript({ content: axe }); // before the page, where its policy has no say
  const page = await context.newPage();
  page.on('request', (request) => {
    const url = request.url();
    if (!/^(data|blob):/.test(url) && !origins.includes(new URL(url).origin)) faults.push(`asks ${url}`);
  });
  try {
    await steps(page);
    assert.deepEqual(faults, []);
    console.log(`ok: ${name}`);
  } catch (error) {
    console.log(`FAILED: ${name}: ${error.stack}`, faults);
    await screenshot(page, `failed ${name}`).catch(() => {});
    process.exitCode = 1;
  }
  await context.close();
}

export const done = () => browser.close();

// Into the build folder, to be looked at.
export const screenshot = (page, name) =>
  page.screenshot({ path: `${env.WEB}/screenshots/${name.replace(/[^\w]+/g, '-')}.png`, fullPage: true });

// axe-core finds nothing, in a part of the page or in all of it.
export async function assertAccessible(page, selector = 'html') {
  const { violations } = await page.evaluate((part) => globalThis.axe.run(part, { resultTypes: ['violations'] }), selector);
  assert.deepEqual(violations.map(({ id, impact, help, nodes }) =>
    `${id} (${impact}): ${help}: ${nodes.map((node) => node.html).join(' ')}`), []);
}

// Nothing sticks out to the right, of the window or of a table's box, and each choice can be read.
export async function assertFits(page) {
  const faults = await page.evaluate(() => {
    const wide = (element) => element.scrollWidth > Math.ceil(element.getBoundingClientRect().width);
    const cut = (control) => {
      const free = control.cloneNode(true);
      free.style.cssText = 'position: absolute; width: max-content';
      control.after(free);
      const { width } = free.getBoundingClientRect();
      free.remove();
      return width > control.getBoundingClientRect().width;
    };
    const all = (selector) => [...document.querySelectorAll(selector)].filter((element) => element.checkVisibility());
    return [document.documentElement, ...all('.table')].filter(wide).concat(all('select').filter(cut))
      .map((element) => element.outerHTML.slice(0, 200));
  });
  assert.deepEqual(faults, []);
}

// annulctl, as root by its socket; what it printed.
export const annulctl = (...args) => execFileSync(env.CTL, ['-s', env.SOCKET, ...args], { encoding: 'utf8' });
