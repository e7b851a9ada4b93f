"""Asks for certificates by OCSP with python3-cryptography, which parses in Rust, and checks every field of the answers.

ask.py URL HASH DELEGATE ISSUER CERTIFICATE...: prints a line each, "NAME STATUS [REASON]".
"""
import datetime
import os
import pathlib
import sys
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.x509 import ocsp


def load(path):
    return x509.load_pem_x509_certificate(pathlib.Path(path).read_bytes())


def ask(url, request):
    der = request.public_bytes(serialization.Encoding.DER)
    headers = {"Content-Type": "application/ocsp-request"}
    with urllib.request.urlopen(urllib.request.Request(url, der, headers), timeout=20) as reply:
        assert reply.headers["Content-Type"] == "application/ocsp-response", reply.headers
        return ocsp.load_der_ocsp_response(reply.read())


def verify(public_key, signature, octets, hash_algorithm):
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        public_key.verify(signature, octets, ec.ECDSA(hash_algorithm))
    else:
        public_key.verify(signature, octets, padding.PKCS1v15(), hash_algorithm)


def check_signer(answer, delegate, issuer):
    """The delegate signed it, and the very CA issued the delegate for that."""
    assert answer.certificates[0] == delegate
    usage = delegate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert x509.ExtendedKeyUsageOID.OCSP_SIGNING in usage
    verify(issuer.public_key(), delegate.signature, delegate.tbs_certificate_bytes, delegate.signature_hash_algorithm)
    verify(delegate.public_key(), answer.signature, answer.tbs_response_bytes, answer.signature_hash_algorithm)
    if answer.responder_name is not None:
        assert answer.responder_name == delegate.subject
    else:
        assert answer.responder_key_hash == x509.SubjectKeyIdentifier.from_public_key(delegate.public_key()).digest


def when(answer, name):
    """A time with its zone; versions from 43 on call that NAME_utc."""
    return getattr(answer, name + "_utc", None) or getattr(answer, name).replace(tzinfo=datetime.timezone.utc)


def check_times(answer, not_after):
    now = datetime.datetime.now(datetime.timezone.utc)
    assert when(answer, "this_update") <= now < when(answer, "next_update") <= not_after
    assert when(answer, "this_update") <= when(answer, "produced_at") <= now
    if answer.certificate_status == ocsp.OCSPCertStatus.REVOKED:
        assert now - datetime.timedelta(hours=1) < when(answer, "revocation_time") <= now
    else:
        assert answer.revocation_time is None and answer.revocation_reason is None


def check_cert_id(answer, request):
    """The CertID comes back as it was asked, octet for octet, the hash algorithm included."""
    assert answer.hash_algorithm.name == request.hash_algorithm.name
    assert answer.issuer_name_hash == request.issuer_name_hash
    assert answer.issuer_key_hash == request.issuer_key_hash
    assert answer.serial_number == request.serial_number
    assert len(list(answer.responses)) == 1


def main(url, hash_name, delegate_path, issuer_path, *paths):
    hash_algorithm = getattr(hashes, hash_name)()
    delegate, issuer = load(delegate_path), load(issuer_path)
    for path in paths:
        nonce = x509.OCSPNonce(os.urandom(32))
        builder = ocsp.OCSPRequestBuilder().add_certificate(load(path), issuer, hash_algorithm)
        request = builder.add_extension(nonce, critical=False).build()
        answer = ask(url, request)
        assert answer.response_status == ocsp.OCSPResponseStatus.SUCCESSFUL, answer.response_status
        assert answer.extensions.get_extension_for_class(x509.OCSPNonce).value == nonce
        check_cert_id(answer, request)
        check_signer(answer, delegate, issuer)
        check_times(answer, when(delegate, "not_valid_after"))
        reason = answer.revocation_reason
        print(pathlib.Path(path).stem, answer.certificate_status.name.lower(), reason.value if reason else "")


main(*sys.argv[1:])
