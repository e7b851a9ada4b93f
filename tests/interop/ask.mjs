// Asks for certificates by OCSP with PKI.js, an implementation of its own in JavaScript, and verifies the answers.
// node ask.mjs URL HASH ROOT ISSUER CERTIFICATE...: prints a line each, "NAME STATUS".
import { randomBytes, webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import * as asn1js from "asn1js";
import * as pkijs from "pkijs";

pkijs.setEngine("node", new pkijs.CryptoEngine({ name: "node", crypto: webcrypto }));

const nonceId = "1.3.6.1.5.5.7.48.1.2";
const statuses = ["good", "revoked", "unknown"];

function load(path) {
  return pkijs.Certificate.fromBER(Buffer.from(readFileSync(path, "ascii").replace(/-----.*-----/g, ""), "base64"));
}

async function ask(url, hashAlgorithm, certificate, issuerCertificate, nonce) {
  const request = new pkijs.OCSPRequest();
  await request.createForCertificate(certificate, { hashAlgorithm, issuerCertificate });
  const extnValue = new asn1js.OctetString({ valueHex: nonce }).toBER();
  request.tbsRequest.requestExtensions = [new pkijs.Extension({ extnID: nonceId, extnValue })];
  const reply = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/ocsp-request", accept: "application/ocsp-response" },
    body: request.toSchema(true).toBER(),
  });
  if (reply.status !== 200 || reply.headers.get("content-type") !== "application/ocsp-response") {
    throw new Error(`HTTP status ${reply.status}, ${reply.headers.get("content-type")}`);
  }
  const response = pkijs.OCSPResponse.fromBER(await reply.arrayBuffer());
  if (response.responseStatus.valueBlock.valueDec !== 0) {
    throw new Error(`responseStatus ${response.responseStatus.valueBlock.valueDec}`);
  }
  return pkijs.BasicOCSPResponse.fromBER(response.responseBytes.response.valueBlock.valueHexView);
}

function checkNonce(basic, nonce) {
  const extension = basic.tbsResponseData.responseExtensions?.find(({ extnID }) => extnID === nonceId);
  const inner = extension && asn1js.fromBER(extension.extnValue.valueBlock.valueHexView).result;
  if (!inner || !nonce.equals(inner.valueBlock.valueHexView)) {
    throw new Error("the nonce did not come back");
  }
}

const [url, hash, rootPath, issuerPath, ...paths] = process.argv.slice(2);
const root = load(rootPath);
const issuer = load(issuerPath);
for (const path of paths) {
  const certificate = load(path);
  const nonce = randomBytes(32);
  const basic = await ask(url, hash, certificate, issuer, nonce);
  checkNonce(basic, nonce);
  // the signature, the delegate's chain up to the root, and its right to speak for each CertID
  if (!(await basic.verify({ trustedCerts: [root] }))) {
    throw new Error("the signature does not verify");
  }
  const answer = await basic.getCertificateStatus(certificate, issuer);
  if (!answer.isForCertificate) {
    throw new Error("the answer is about another certificate");
  }
  console.log(`${basename(path, ".crt")} ${statuses[answer.status]}`);
}
