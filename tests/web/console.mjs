// What an operator does in the console, each checked from outside: by openssl, the CRL, and the API.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { annulctl, done, env, scenario, screenshot } from './harness.mjs';
import { at, confirm, goto, shell, signIn, until } from './console_steps.mjs';

const file = (name) => `${env.PKI}/${name}.crt`;
const serialOf = (name) => shell('openssl', 'x509', '-in', file(name), '-noout', '-serial').trim().split('=')[1].toLowerCase();
const client = (name) => `certificate/issuing-client/${serialOf(name)}`;

// What `openssl ocsp` says of it.
const ocsp = (name) => /crt: (\w+)/.exec(shell('openssl', 'ocsp', '-issuer', file('issuing-client'), '-cert', file(name),
  '-url', `${env.PUBLIC}/ocsp`, '-CAfile', file('root')))[1];
async function listed(serial) {
  const der = Buffer.from(await (await fetch(`${env.PUBLIC}/crl/issuing-client.crl`)).arrayBuffer());
  return execFileSync('openssl', ['crl', '-inform', 'DER', '-noout', '-text'], { input: der, encoding: 'utf8' })
    .toLowerCase().includes(`serial number: ${serial}`);
}
const proves = (page, ...texts) => Promise.all(texts.map((text) => page.locator('.proof').getByText(text).waitFor()));

// A file dropped on an element, as a hand would.
async function drop(page, selector, path) {
  const data = await page.evaluateHandle(([name, octets]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(octets)], name));
    return transfer;
  }, [path.split('/').at(-1), [...readFileSync(path)]]);
  for (const type of ['dragenter', 'dragover', 'drop']) await page.dispatchEvent(selector, type, { dataTransfer: data });
}

await scenario('a wrong token is refused, a right one outlives a reload, signing out forgets it', async (page) => {
  await page.goto(env.ADMIN);
  for (const wrong of [`annul_${'0'.repeat(64)}`, 'schlüssel']) {
    await page.getByLabel('Token').fill(wrong);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').getByText('This token is not accepted').waitFor();
    await until(() => page.getByRole('button', { name: 'Sign in' }).isEnabled());
  }
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  await signIn(page);
  await page.reload();
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('Token').waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
}, { tolerated: /status of 401/ });

await scenario('by the keyboard alone: from a leaked key to the proof of its revocation', async (page) => {
  assert.equal(ocsp('client-0'), 'good');
  await page.goto(env.ADMIN);
  await page.keyboard.type(env.TOKEN);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  assert.equal(await at(page), 'Overview');
  await page.getByRole('button', { name: 'Revoke…' }).focus();
  await page.keyboard.press('Enter');
  await page.keyboard.type('client-0');
  await page.getByText('1 found').waitFor();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Revoke client-0?' }).waitFor();
  for (let i = 0; i < 12 && (await at(page)) !== 'Revoke client-0'; i++) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'client-0', exact: true }).waitFor();
  await proves(page, 'Recorded as revoked: Key compromise', 'OCSP says revoked (keyCompromise)', /CRL \d+ lists it/);
  assert.equal(ocsp('client-0'), 'revoked');
  assert.ok(await listed(serialOf('client-0')));
  await page.getByText('token:anna from 127.0.0.1').waitFor();
});

await scenario('search by subject, by serial and by status, and the pages of a long list', async (page) => {
  await signIn(page);
  await page.keyboard.press('/');
  await page.keyboard.type('CLIENT-1');
  await page.keyboard.press('Enter');
  await page.getByRole('rowheader', { name: 'client-1' }).waitFor();
  assert.equal(await page.locator('tbody tr').count(), 1);
  const text = page.getByRole('main').getByLabel('Serial or subject');
  await text.fill(serialOf('client-2').slice(0, 10).toUpperCase());
  await page.getByRole('rowheader', { name: 'client-2' }).waitFor();
  await text.fill('no such thing');
  await page.getByText('Nothing is registered that matches “no such thing”.').waitFor();
  await text.fill('');
  await page.getByLabel('Status').selectOption('hold');
  await page.getByRole('rowheader', { name: 'client-3' }).waitFor();
  await until(async () => (await page.locator('tbody tr').count()) === 1);
  await page.getByLabel('Status').selectOption('');
  await page.getByRole('rowheader', { name: 'server' }).waitFor(); // of another issuer
});

await scenario('hold and release', async (page) => {
  await signIn(page);
  await goto(page, client('client-1'));
  await proves(page, 'Recorded as good', 'OCSP says good', /CRL \d+ does not list it/);
  await page.getByRole('button', { name: 'Put on hold…' }).click();
  await confirm(page, 'Put client-1 on hold');
  await proves(page, 'Recorded as on hold', 'OCSP says revoked (certificateHold)', /CRL \d+ lists it/);
  assert.equal(ocsp('client-1'), 'revoked');
  await page.getByRole('button', { name: 'Release…' }).click();
  await confirm(page, 'Release client-1');
  await proves(page, 'Recorded as good', 'OCSP says good', /CRL \d+ does not list it/);
  assert.equal(ocsp('client-1'), 'good');
});

await scenario('a revocation whose answer is lost on the way is done once, and shown', async (page) => {
  await signIn(page);
  await goto(page, client('client-1'));
  let lost = 0;
  await page.route('**/revoke', async (route) => {
    if (lost++) return route.continue();
    assert.equal((await route.fetch()).status(), 200);
    return route.abort();
  });
  await page.getByRole('button', { name: 'Put on hold…' }).click();
  await confirm(page, 'Put client-1 on hold');
  await page.getByText('client-1 is on hold.').waitFor(); // not: was so already
  assert.equal(lost, 2);
  const trail = annulctl('audit', 'show', '--json', '--serial', serialOf('client-1'));
  assert.equal(trail.match(/"good -> on hold/g).length, 2); // with that of the scenario before
  annulctl('release', 'issuing-client', serialOf('client-1'));
}, { tolerated: /ERR_FAILED/ });

await scenario('a search goes on behind pages that are empty', async (page) => {
  let empty = 0;
  await page.route(/\/(certificates|audit)\?/, (route) => {
    const url = route.request().url(), isAudit = url.includes('/audit?');
    if (empty-- <= 0) return route.continue({ url: url.replace(/&after=(ffff|1000000000)\b/, '') });
    const found = isAudit ? { audit: [], next: 1e9, head: { id: 1, hash: '0' } } : { certificates: [], next: 'ffff' };
    return route.fulfill({ json: found });
  });
  await signIn(page);
  empty = 30;
  await goto(page, 'certificates?q=client-1');
  await page.getByRole('rowheader', { name: 'client-1' }).waitFor();
  empty = 30;
  await page.getByRole('button', { name: 'Revoke…' }).first().click();
  await page.keyboard.type('client-1');
  await page.getByText('1 found').waitFor();
  await page.keyboard.press('Escape');
  empty = 30;
  await goto(page, 'audit?action=register');
  await page.getByText('#1', { exact: true }).waitFor();
});

await scenario('a dialog that is closed changes nothing', async (page) => {
  await signIn(page);
  await goto(page, client('client-1'));
  const open = page.getByRole('main').getByRole('button', { name: 'Revoke…' });
  await open.click();
  await page.getByRole('heading', { name: 'Revoke client-1?' }).waitFor();
  await page.keyboard.press('Escape');
  await until(async () => (await page.locator('dialog').count()) === 0);
  assert.equal(await at(page), 'Revoke…'); // where one was
  assert.equal(ocsp('client-1'), 'good');
});

await scenario('what others do is seen without a reload', async (page) => {
  await signIn(page);
  await goto(page, client('client-1'));
  await proves(page, 'OCSP says good');
  annulctl('revoke', '--reason', 'certificateHold', 'issuing-client', serialOf('client-1'));
  await proves(page, 'OCSP says revoked (certificateHold)', /CRL \d+ lists it/);
  await page.getByText('uid:0').first().waitFor();
  annulctl('release', 'issuing-client', serialOf('client-1'));
  await proves(page, 'OCSP says good');
});

await scenario('the file of a certificate that was never registered is dropped, and it is revoked', async (page) => {
  assert.equal(ocsp('client-4'), 'unknown');
  await signIn(page);
  await drop(page, 'main', file('client-4'));
  await page.getByRole('heading', { name: 'Revoke client-4?' }).waitFor();
  await page.getByLabel('Reason').selectOption('cessationOfOperation');
  await confirm(page, 'Revoke client-4');
  await proves(page, 'OCSP says revoked (cessationOfOperation)', /CRL \d+ lists it/);
  assert.equal(ocsp('client-4'), 'revoked');
  // a compromise that is found out later
  await page.getByRole('button', { name: 'Report a compromise…' }).click();
  await page.getByLabel('Compromised since').fill('2026-01-31T12:00:30');
  await confirm(page, 'Revoke client-4');
  await proves(page, 'OCSP says revoked (keyCompromise)');
  await page.getByText('Compromised since').waitFor();
  await drop(page, 'main', `${env.PKI}/root.key`);
  await page.getByText('root.key holds no certificate.').waitFor();
});

await scenario('a chain does not revoke its CA', async (page) => {
  await signIn(page);
  await drop(page, 'main', `${env.PKI}/client-chain.pem`);
  const refusal = 'client-chain.pem holds 2 certificates. Drop the one to revoke in a file of its own';
  await page.getByRole('dialog').getByRole('alert').getByText(refusal).waitFor();
  assert.equal(await page.getByRole('button', { name: /^Revoke Annul/ }).count(), 0);
});

await scenario('the name of a CA is typed before it is revoked', async (page) => {
  const ca = 'Annul Demo Intermediate Server CA';
  await signIn(page);
  await drop(page, 'main', file('intermediate-server')); // none of the issuers here: the file says what it is
  await page.getByText('Every certificate below it will be refused.').waitFor();
  const button = page.getByRole('dialog').getByRole('button', { name: `Revoke ${ca}` });
  assert.ok(await button.isDisabled());
  assert.equal(await page.getByLabel('Reason').inputValue(), 'cACompromise');
  await page.getByLabel('type its name').fill('intermediate server ca');
  assert.ok(await button.isDisabled());
  await page.getByLabel('type its name').fill(ca);
  await button.click();
  await proves(page, 'Recorded as revoked: CA compromise');

  annulctl('register', file('intermediate-client')); // one of the issuers: the serial says it
  await goto(page, `certificate/root/${serialOf('intermediate-client')}`);
  await page.getByRole('button', { name: 'Put on hold…' }).click();
  await page.getByText('This is the CA Annul Demo Intermediate Client CA').waitFor();
  assert.ok(await page.getByRole('button', { name: 'Put Annul Demo Intermediate Client CA on hold' }).isDisabled());
});

await scenario('a root is not revoked', async (page) => {
  await signIn(page);
  await drop(page, 'main', file('root'));
  await page.getByRole('heading', { name: 'Annul Demo Root CA cannot be revoked' }).waitFor();
  await page.getByText('Remove it from the trust stores').waitFor();
  assert.equal(await page.getByRole('button', { name: /^Revoke A/ }).count(), 0);
});

// A CRL of the intermediate CA of servers, as `openssl ca` makes it, far away from here.
function crlFromElsewhere(number, ...serials) {
  const folder = mkdtempSync(`${tmpdir()}/crl-`);
  const ca = `[ca]\ndefault_ca = this\n[this]\ndatabase = ${folder}/index\ncrlnumber = ${folder}/number\ndefault_md = sha256
default_crl_days = 7\ncertificate = ${file('intermediate-server')}\nprivate_key = ${env.PKI}/intermediate-server.key\n`;
  const index = serials.map((serial) => `R\t351231235959Z\t260101000000Z\t${serial.toUpperCase()}\tunknown\t/CN=x\n`).join('');
  for (const [name, text] of Object.entries({ ca, index, number })) writeFileSync(`${folder}/${name}`, text);
  const pem = shell('openssl', 'ca', '-config', `${folder}/ca`, '-gencrl');
  rmSync(folder, { recursive: true });
  return { name: 'other.crl', mimeType: 'application/pkix-crl', buffer: Buffer.from(pem) };
}

await scenario('what a CA elsewhere has not been told is not on its way', async (page) => {
  const serial = serialOf('issuing-server'), address = `certificate/intermediate-server/${serial}`;
  const upload = async (...crl) => {
    await page.locator('.proof').getByRole('link', { name: 'upload a CRL that lists it' }).click();
    await page.getByRole('button', { name: 'Upload…' }).click();
    await page.getByRole('dialog').locator('input[type=file]').setInputFiles(crlFromElsewhere(...crl));
    await page.getByText(`CRL ${+crl[0]} is published.`).waitFor();
    await goto(page, address);
  };
  annulctl('register', file('issuing-server'));
  annulctl('revoke', '--reason', 'superseded', 'intermediate-server', serial);
  await signIn(page);
  await goto(page, address);
  await proves(page, 'No CRL is published here', 'This CA’s key is elsewhere', 'a session that is open stays open');
  await upload('01'); // newer than the revocation, and yet without it
  await proves(page, 'CRL 1 does not list it', 'This CA’s key is elsewhere');
  await screenshot(page, 'console elsewhere');
  await upload('02', serial);
  await proves(page, 'CRL 2 lists it');
  assert.equal(await page.locator('.proof').getByText('elsewhere').count(), 0);
});

await scenario('files are registered, and a bad one does not keep the others out', async (page) => {
  await signIn(page);
  await goto(page, 'register');
  await page.locator('input[type=file]').setInputFiles([file('server-must-staple'), `${env.PKI}/root.key`, file('client-0')]);
  await page.getByText('1 registered, 1 known before.').waitFor();
  await page.getByText('root.key').waitFor();
  await page.getByRole('link', { name: 'server-must-staple' }).click();
  await page.getByRole('heading', { name: 'server-must-staple' }).waitFor();
}, { tolerated: /status of 422/ });

await scenario('what somebody else has changed meanwhile is not released', async (page) => {
  const serial = serialOf('server-must-staple');
  annulctl('revoke', '--reason', 'certificateHold', 'issuing-server', serial);
  await signIn(page);
  await goto(page, `certificate/issuing-server/${serial}`);
  await page.getByRole('button', { name: 'Release…' }).click();
  annulctl('revoke', '--reason', 'keyCompromise', 'issuing-server', serial);
  await confirm(page, 'Release server-must-staple');
  await page.getByRole('alert').getByText('Precondition Failed').waitFor();
  await page.keyboard.press('Escape');
  await page.locator('h1 ~ p').getByText('revoked').waitFor(); // seen meanwhile
}, { tolerated: /status of 412/ });

await scenario('a thousand at once, with progress, and what could not be done', async (page) => {
  const serials = Array.from({ length: 1000 }, (_, i) => (0x10000000 + i * 97).toString(16));
  const authorized = { headers: { Authorization: `Bearer ${env.TOKEN}` } };
  const rows = serials.map((serial) => JSON.stringify({ serial, status: 'good', subject: `CN=meter-${serial}` })).join('\n');
  const imported = await fetch(`${env.ADMIN}/api/v1/issuers/issuing-client/import`,
    { method: 'POST', body: rows, ...authorized });
  assert.equal(imported.status, 200);
  await signIn(page);
  await page.evaluate(() => {
    window.seen = new Set();
    new MutationObserver(() => {
      const bar = document.querySelector('progress');
      if (bar) window.seen.add(bar.value);
    }).observe(document.body, { childList: true, subtree: true });
  });
  await goto(page, 'batch');
  await page.locator('input[type=file]').setInputFiles({
    name: 'leaked.txt', mimeType: 'text/plain', buffer: Buffer.from(['# from the van', `serial=${serials[0]}`, ...serials.slice(1, -1), `${serials.at(-1)} , KEYCOMPROMISE`, '', 'ffffff', 'not a serial', '1a2b,sometimes'].join('\r\n')),
  });
  await page.getByLabel('Reason').selectOption('superseded');
  const issuer = page.getByLabel('Issuer');
  await page.getByText('2 lines cannot be read').waitFor();
  await page.getByRole('row').filter({ hasText: /^1,004not a serial/ }).waitFor();
  await page.getByRole('button', { name: 'Revoke 1,001…' }).click();
  assert.ok(await issuer.evaluate((control) => control.matches(':invalid'))); // several: none is chosen
  assert.equal(await page.getByRole('dialog').count(), 0);
  await issuer.selectOption('issuing-client');
  await page.getByRole('button', { name: 'Revoke 1,001…' }).click();
  await page.getByRole('dialog').getByText('2 lines cannot be read').waitFor();
  await screenshot(page, 'console batch before');
  await confirm(page, 'Revoke 1,001');
  await page.getByText('Finished, with errors').waitFor();
  await page.getByText('1,003 of 1,003 done').waitFor();
  assert.deepEqual(await page.locator('tbody tr').evaluateAll((rows) => rows.map(({ cells }) => [...cells].map((cell) => cell.textContent).join())),
    ['1,004,not a serial,this is not a serial number', '1,005,1a2b,sometimes,what is behind the comma is no reason',
      '1,003,ffffff,the issuer has no such certificate; register it first']);
  await screenshot(page, 'console batch after');
  const last = await (await fetch(`${env.ADMIN}/api/v1/issuers/issuing-client/certificates/${serials.at(-1)}`, authorized)).json();
  assert.equal(last.reason, 'keyCompromise');
  assert.ok((await page.evaluate(() => window.seen.size)) >= 2); // 0, and what came
  await until(() => listed(serials[999]));
  await goto(page, 'certificates?q=meter-&issuer=issuing-client');
  await page.getByRole('button', { name: 'Next' }).click();
  await page.getByText('Page 2').waitFor();
  const second = await page.getByRole('rowheader').first().textContent();
  await page.getByRole('button', { name: 'Previous' }).click();
  await page.getByText('Page 1').waitFor();
  assert.notEqual(await page.getByRole('rowheader').first().textContent(), second);
});

await scenario('a CRL is published at once, and is where its link leads', async (page) => {
  await signIn(page);
  await goto(page, 'crls?issuer=issuing-client');
  const row = page.getByRole('row').filter({ hasText: 'Complete' });
  const before = await row.getByRole('cell').first().textContent();
  await page.getByRole('button', { name: 'Publish now' }).click();
  await until(async () => (await row.getByRole('cell').first().textContent()) !== before);
  const link = await row.getByRole('link', { name: 'PEM' }).getAttribute('href');
  assert.match(await (await fetch(link)).text(), /BEGIN X509 CRL/);
});

await done();
