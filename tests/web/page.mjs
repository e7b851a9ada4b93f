import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { assertAccessible, assertFits, done, env, scenario, screenshot } from './harness.mjs';

const small = { width: 380, height: 800 };
const looks = { light: {}, dark: { colorScheme: 'dark' }, small: { viewport: small }, 'small dark': { viewport: small, colorScheme: 'dark' } };
const consumers = ['RabbitMQ', 'EMQX', 'mosquitto', 'nginx', 'HAProxy'];
const issuer = (page, name) => page.getByRole('region', { name, exact: true });

for (const [look, options] of Object.entries(looks))
  await scenario(look, async (page) => {
    await page.goto(`${env.PUBLIC}/`);
    await issuer(page, 'issuing-client').waitFor();
    await assertFits(page);
    await assertAccessible(page);
    await screenshot(page, `page ${look}`);
    await page.locator('details').evaluateAll((all) => all.forEach((details) => { details.open = true; }));
    for (const name of consumers) {
      await issuer(page, 'issuing-client').getByText(name, { exact: true }).first().click();
      await assertFits(page);
      if (!options.viewport) await assertAccessible(page, '[aria-labelledby="issuing-client"]');
    }
    await screenshot(page, `page ${look} open`);
  }, options);

await scenario('what is where', async (page) => {
  await page.goto(`${env.PUBLIC}/`);
  const client = issuer(page, 'issuing-client');
  await client.getByText('2 entries').waitFor();
  await client.getByText('Current').waitFor();
  const bar = client.getByRole('meter');
  const [left, life] = [Number(await bar.getAttribute('aria-valuenow')), Number(await bar.getAttribute('aria-valuemax'))];
  assert.ok(life >= 7 * 86400 && life < 8 * 86400 && left > 6 * 86400 && left < life, `${left} of ${life}`);
  assert.equal(await issuer(page, 'root').getByRole('meter').count(), 3);
  assert.match(await client.getByText(env.FINGERPRINT, { exact: true }).innerText(), /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
  for (const link of await page.locator('a[href^="/"]').all()) {
    const answer = await page.request.get(env.PUBLIC + await link.getAttribute('href'));
    assert.equal(answer.status(), 200, await link.innerText());
  }
  for (const href of await page.locator('a[href^="#"]').evaluateAll((all) => all.map((a) => a.getAttribute('href'))))
    assert.equal(await page.locator(`[id="${href.slice(1)}"]`).count(), 1, href);
  const unknown = (await page.content()).match(/\{\{[^\n]*/);
  assert.equal(unknown, null);
});

await scenario('copy buttons', async (page) => {
  await page.goto(`${env.PUBLIC}/`);
  const client = issuer(page, 'issuing-client');
  await client.getByText('Configure RabbitMQ').click();
  const figure = client.locator('figure', { hasText: '/etc/rabbitmq/advanced.config' });
  const button = figure.getByRole('button');
  await button.click();
  await page.getByRole('status').getByText('Copied').waitFor();
  assert.equal((await page.evaluate(() => navigator.clipboard.readText())).trim(), (await figure.locator('code').innerText()).trim());
  await button.getByText('Copy', { exact: true }).waitFor();
}, { permissions: ['clipboard-read'] });

await scenario('by keyboard', async (page) => {
  const focused = () => page.evaluate(() => document.activeElement.textContent.trim() || document.activeElement.id);
  const tabTo = async (text) => {
    for (let i = 0; i < 60 && await focused() !== text; i++) await page.keyboard.press('Tab');
    assert.equal(await focused(), text);
  };
  await page.goto(`${env.PUBLIC}/`);
  await page.keyboard.press('Tab');
  assert.equal(await focused(), 'Skip to the authorities');
  await page.keyboard.press('Enter');
  await tabTo('Configure RabbitMQ, EMQX, mosquitto, nginx or HAProxy');
  await page.keyboard.press('Enter');
  await tabTo('issuing-client-rabbitmq');
  for (let i = 0; i < 3; i++) await page.keyboard.press('ArrowRight');
  await issuer(page, 'issuing-client').getByText('/etc/nginx/conf.d/tls.conf').waitFor();
  assert.equal(await issuer(page, 'issuing-client').getByText('/etc/rabbitmq/advanced.config').isVisible(), false);
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  assert.match(await focused(), /^authorities/); // a block can be scrolled
});

// What it says for the client CA goes to files; page.sh has the programs themselves read them.
await scenario('without scripts', async (page) => {
  await page.goto(`${env.PUBLIC}/`);
  const client = issuer(page, 'issuing-client');
  await client.getByText('Configure RabbitMQ').click();
  assert.equal(await page.getByRole('button').count(), 0);
  for (const name of consumers) {
    await client.getByText(name, { exact: true }).first().click();
    for (const figure of await client.locator('figure').all())
      if (await figure.isVisible())
        writeFileSync(`${env.SNIPPETS}/${name}.${(await figure.locator('figcaption').innerText()).replace(/^.*\//, '')}`,
          await figure.locator('code').innerText());
  }
}, { javaScriptEnabled: false });
await done();
