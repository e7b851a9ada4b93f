// What the scenarios of the console have in common.
import { execFileSync } from 'node:child_process';
import { env } from './harness.mjs';

export const shell = (...command) => execFileSync(command[0], command.slice(1), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

export async function signIn(page, token = env.TOKEN) {
  if (!page.url().startsWith(env.ADMIN)) await page.goto(env.ADMIN);
  await page.getByLabel('Token').fill(token);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
}

// By its address, as a link would.
export const goto = (page, hash) => page.evaluate((to) => (location.hash = `#/${to}`), hash);

export const confirm = (page, name) => page.getByRole('dialog').getByRole('button', { name, exact: true }).click();

// The text, or the label, of what has the focus.
export const at = (page) => page.evaluate(() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent);

export async function until(holds, ms = 10_000) {
  const end = Date.now() + ms;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`never came true: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}
