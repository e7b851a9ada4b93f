import assert from 'node:assert/strict';
import { assertAccessible, assertFits, done, env, scenario, screenshot } from './harness.mjs';

const sizes = { 'page light': {}, 'page dark': { colorScheme: 'dark' }, 'page small': { viewport: { width: 380, height: 800 } } };
for (const [name, options] of Object.entries(sizes))
  await scenario(name, async (page) => {
    await page.goto(`${env.PUBLIC}/`);
    await page.getByRole('heading', { name: 'issuing-client', exact: true }).waitFor();
    await assertFits(page);
    await assertAccessible(page);
    await screenshot(page, name);
  }, options);
await done();
