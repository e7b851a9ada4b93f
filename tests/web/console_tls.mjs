// Who is known by a client certificate, and who by one is not.
import assert from 'node:assert/strict';
import { annulctl, done, env, scenario, screenshot } from './harness.mjs';
import { goto, shell, until } from './console_steps.mjs';

const by = (name) => ({
  ignoreHTTPSErrors: true, // the browser does not know the CA of the tests
  clientCertificates: [{ origin: env.ADMIN, certPath: `${env.PKI}/${name}.crt`, keyPath: `${env.PKI}/${name}.key` }],
});
const notice = (page) => page.locator('.notice').textContent();

await scenario('a client certificate signs in, without a token', async (page) => {
  await page.goto(env.ADMIN);
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  await page.getByText('cert:CN=client-1,O=Annul Demo').waitFor();
  await goto(page, 'certificate/issuing-server/01');
  const refusal = page.getByRole('alert');
  await refusal.getByText('does not allow this').waitFor();
  assert.doesNotMatch(await refusal.textContent(), /token/i);
  annulctl('revoke', '--reason', 'keyCompromise', 'issuing-client', shell('openssl', 'x509', '-in', `${env.PKI}/client-1.crt`, '-noout', '-serial').trim().split('=')[1]);
  await page.reload();
  await until(async () => /this client certificate is not good here/i.test(await notice(page)));
}, { ...by('client-1'), tolerated: /status of 40[13]/ });

await scenario('a client certificate that is refused is told so', async (page) => {
  await page.goto(env.ADMIN);
  await page.getByLabel('Token').waitFor();
  assert.match(await notice(page), /^this client certificate is not good here/);
  await screenshot(page, 'console refused certificate');
}, { ...by('client-0'), tolerated: /status of 401/ });

await scenario('who shows none is asked for a token, and nothing is wrong', async (page) => {
  await page.goto(env.ADMIN);
  await page.getByLabel('Token').waitFor();
  assert.equal(await page.locator('.notice').count(), 0);
}, { ignoreHTTPSErrors: true, tolerated: /status of 401/ });

await done();
