"""CRLs as python3-cryptography sees them, which parses in Rust.

read_crls.py [CA CRL]...: each CRL (DER) must be signed by its CA; prints a line each, "NAME ENTRY... | EXTENSION...": an
entry is SERIAL:REASON, an extension the dotted OID with a star where it is critical.
"""
import pathlib
import sys

from cryptography import x509


def entry(revoked):
    reasons = [e.value.reason.value for e in revoked.extensions if isinstance(e.value, x509.CRLReason)]
    return "%x:%s" % (revoked.serial_number, *(reasons or ["unspecified"]))


def main(*paths):
    for issuer_path, path in zip(map(pathlib.Path, paths[::2]), map(pathlib.Path, paths[1::2])):
        issuer = x509.load_pem_x509_certificate(issuer_path.read_bytes())
        crl = x509.load_der_x509_crl(path.read_bytes())
        assert crl.issuer == issuer.subject and crl.is_signature_valid(issuer.public_key()), path
        assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number > 0
        for revoked in crl:
            assert crl.get_revoked_certificate_by_serial_number(revoked.serial_number) is not None
        extensions = [e.oid.dotted_string + "*" * e.critical for e in crl.extensions]
        print(path.stem, *map(entry, crl), "|", *extensions)


main(*sys.argv[1:])
