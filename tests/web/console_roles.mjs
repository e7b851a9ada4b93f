// What is offered to whom, what is refused, and the life of a token.
import assert from 'node:assert/strict';
import { annulctl, done, env, scenario } from './harness.mjs';
import { confirm, goto, signIn, until } from './console_steps.mjs';

const make = (name, ...options) => annulctl('token', 'create', ...options, name).trim();
const pages = async (page) => (await page.getByRole('navigation').getByRole('link').allTextContents()).join();
const revokeButtons = (page) => page.getByRole('button', { name: /Revoke|hold|Release/ }).count();

async function firstCertificate(page) {
  await goto(page, 'certificates?issuer=issuing-client&status=good');
  await page.getByRole('rowheader').getByRole('link').first().click();
  await page.locator('.proof').getByText('OCSP says').waitFor();
}

await scenario('a viewer is offered no change', async (page) => {
  await signIn(page, make('web-viewer', '--role', 'viewer'));
  assert.equal(await pages(page), 'Overview,Certificates,CRLs,Audit log');
  await firstCertificate(page);
  assert.equal(await revokeButtons(page), 0);
  await goto(page, 'crls');
  await page.getByRole('heading', { name: 'issuing-client' }).waitFor();
  assert.equal(await page.getByRole('button', { name: 'Publish now' }).count(), 0);
  for (const hidden of ['tokens', 'batch', 'register']) {
    await goto(page, hidden);
    await page.getByRole('heading', { name: 'There is no such page' }).waitFor();
  }
});

await scenario('an operator of one issuer sees that one, and is told why another is refused', async (page) => {
  await signIn(page, make('web-scoped', '--role', 'operator', '--issuer', 'issuing-client'));
  assert.equal(await pages(page), 'Overview,Certificates,Register,Batch,CRLs,Audit log');
  await page.getByRole('heading', { name: 'issuing-client' }).waitFor();
  assert.equal(await page.getByRole('heading', { name: 'issuing-server' }).count(), 0);
  await firstCertificate(page);
  assert.ok(await revokeButtons(page));
  await goto(page, 'register');
  await page.locator('input[type=file]').setInputFiles(`${env.PKI}/server.crt`);
  await page.locator('.notice').getByText('server.crt').waitFor();
  await goto(page, 'certificate/issuing-server/01');
  await page.getByRole('alert').getByText('Your role, or what it is for, does not allow this').waitFor();
}, { tolerated: /status of 403/ });

await scenario('a token is made, shown once, used, and revoked under its user', async (page) => {
  await signIn(page);
  await goto(page, 'tokens');
  await page.getByRole('button', { name: 'New token…' }).click();
  await page.getByLabel('Name').fill('two words');
  await confirm(page, 'Make the token');
  await page.getByRole('alert').getByText('visible characters').waitFor();
  await page.getByLabel('Name').fill('web-life');
  await page.getByLabel('Role').selectOption('viewer');
  await page.getByLabel('Lasts').selectOption('7');
  await page.getByLabel('root').check();
  await confirm(page, 'Make the token');
  const secret = await page.locator('.secret').textContent();
  assert.match(secret, /^annul_[0-9a-f]{64}$/);
  await confirm(page, 'I have kept it');
  const row = page.getByRole('row').filter({ hasText: 'web-life' });
  await row.getByText('active').waitFor();
  assert.match(await row.textContent(), /viewer.*root/);
  assert.ok(!(await page.content()).includes(secret));

  const other = await page.context().browser().newContext();
  const theirs = await other.newPage();
  await signIn(theirs, secret);
  await row.getByRole('button', { name: 'Revoke web-life…' }).click();
  await confirm(page, 'Revoke web-life');
  await row.getByText('revoked').waitFor();
  await theirs.getByText('Your token has expired or was revoked').waitFor();
  await other.close();
}, { tolerated: /status of 422/ });

await scenario('who is away is told so', async (page) => {
  await signIn(page);
  await page.locator('.live').getByText('Live').waitFor();
  await page.context().setOffline(true);
  await goto(page, 'audit');
  await page.getByRole('alert').getByText('The server cannot be reached').waitFor();
  await page.context().setOffline(false);
  await until(async () => (await page.locator('.live').textContent()) === 'Live');
}, { tolerated: /ERR_INTERNET_DISCONNECTED/ });

await done();
