// Every view and dialog, light, dark, 1000 and 380 pixels wide: it fits, axe-core finds nothing, and there is a picture of it.
import assert from 'node:assert/strict';
import { annulctl, assertAccessible, assertFits, done, env, scenario, screenshot } from './harness.mjs';
import { goto, signIn, until } from './console_steps.mjs';

const modes = {
  light: {}, dark: { colorScheme: 'dark' }, middle: { viewport: { width: 1000, height: 800 } }, small: { viewport: { width: 380, height: 800 }, reducedMotion: 'reduce' },
};
const views = {
  '': 'Overview', certificates: 'Certificates', register: 'Register certificates', batch: 'Revoke many', crls: 'CRLs',
  audit: 'Audit log', tokens: 'Tokens', nonsense: 'There is no such page',
};

// What the view asked for is there: nothing changes in it any more.
async function loaded(page) {
  let before;
  await until(async () => {
    const now = await page.getByRole('main').textContent();
    await new Promise((resolve) => setTimeout(resolve, 100));
    return now === before || ((before = now), false);
  });
}

// Names that are as long as they may be, in one word.
const serial = '7f'.repeat(20);
const imported = await fetch(`${env.ADMIN}/api/v1/issuers/intermediate-client/import`, {
  method: 'POST', headers: { Authorization: `Bearer ${env.TOKEN}` },
  body: JSON.stringify({ serial, status: 'revoked', reason: 'superseded', revoked_at: '2026-01-31T12:00:00Z', not_after: '2036-01-31T12:00:00Z', subject: `CN=${'sensor'.repeat(10)}` }),
});
assert.equal(imported.status, 200);
annulctl('revoke', '--reason', 'keyCompromise', 'intermediate-client', serial);
annulctl('register', `${env.PKI}/intermediate-client.crt`);

for (const [mode, options] of Object.entries(modes))
  await scenario(`the console, ${mode}`, async (page) => {
    const look = async (name) => {
      await assertFits(page);
      await assertAccessible(page);
      await screenshot(page, `console ${name} ${mode}`);
    };
    const dialog = async (name, open, ready) => {
      await open.click();
      await ready().waitFor();
      await look(name);
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
    };
    await page.goto(env.ADMIN);
    await page.getByLabel('Token').waitFor();
    await look('sign-in');
    await signIn(page);
    for (const [hash, title] of Object.entries(views)) {
      await goto(page, hash);
      await page.getByRole('heading', { name: title, level: 1 }).waitFor();
      await loaded(page);
      await look(hash || 'overview');
    }
    await goto(page, 'certificates?q=client-3');
    await page.getByRole('link', { name: 'client-3' }).click();
    await page.locator('.proof').getByText(/CRL \d+ lists it/).waitFor();
    await look('certificate');
    await dialog('release', page.getByRole('button', { name: 'Release…' }), () => page.getByRole('heading', { name: 'Release client-3?' }));
    await dialog('revoke', page.getByRole('main').getByRole('button', { name: 'Revoke…' }), () => page.getByLabel('Compromised since'));
    await dialog('emergency', page.getByRole('banner').getByRole('button', { name: 'Revoke…' }), () => page.getByLabel('Serial or subject').last());
    await goto(page, 'certificates?q=Annul+Demo+Intermediate+Client');
    await page.getByRole('rowheader').getByRole('link').click();
    await dialog('CA', page.getByRole('main').getByRole('button', { name: 'Revoke…' }), () => page.getByLabel('type its name'));
    await goto(page, 'tokens');
    await dialog('token', page.getByRole('button', { name: 'New token…' }), () => page.getByLabel('Lasts'));
  }, options);

await done();
