#!/usr/bin/python3
"""CRLs as python3-cryptography sees them: `read FILE` says what is in one (DER), `make FOLDER` writes some and
their CA certificates, NAME.crl and NAME.ca, all in DER."""
import datetime
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa


def uris(point):
    return " ".join(name.value for name in point.full_name or [])


def describe(extension):
    value = extension.value
    text = {
        x509.CRLNumber: lambda: value.crl_number,
        x509.DeltaCRLIndicator: lambda: value.crl_number,
        x509.AuthorityKeyIdentifier: lambda: value.key_identifier.hex(),
        x509.IssuingDistributionPoint: lambda: "%s user=%d ca=%d" % (
            uris(value), value.only_contains_user_certs, value.only_contains_ca_certs),
        x509.FreshestCRL: lambda: " ".join(uris(point) for point in value),
        x509.UnrecognizedExtension: lambda: value.value.hex(),
    }[type(value)]()
    return "%s%s %s" % (extension.oid.dotted_string, " critical" if extension.critical else "", text)


def read(path):
    with open(path, "rb") as file:
        crl = x509.load_der_x509_crl(file.read())
    for extension in crl.extensions:
        print(describe(extension))
    for entry in crl:
        reasons = [e.value.reason.value for e in entry.extensions if isinstance(e.value, x509.CRLReason)]
        print("%x" % entry.serial_number, *reasons)


def make_ca(key, name):
    builder = x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key(),
                                      serial_number=1, not_valid_before=datetime.datetime(2000, 1, 1),
                                      not_valid_after=datetime.datetime(2049, 12, 31))
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = builder.add_extension(key_id, False).add_extension(x509.BasicConstraints(True, None), True)
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def make_crl(key, name, digest, extensions):
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=name, last_update=datetime.datetime(2026, 11, 21, 9), next_update=datetime.datetime(2026, 11, 28, 9))
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    for serial, reason in ((0x300, x509.ReasonFlags.key_compromise), (0x100, None),
                           (2 ** 159 - 1, x509.ReasonFlags.certificate_hold)):
        entry = x509.RevokedCertificateBuilder(serial, datetime.datetime(2026, 11, 20))
        if reason:
            entry = entry.add_extension(x509.CRLReason(reason), False)
            entry = entry.add_extension(x509.InvalidityDate(datetime.datetime(2026, 11, 1)), False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(key, digest)


def point(user=False, ca=False):
    uri = x509.UniformResourceIdentifier("http://crl.example.com/one.crl")
    return x509.IssuingDistributionPoint([uri], None, user, ca, None, False, False)


def make(folder):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Python CA")])
    number = (x509.CRLNumber(2 ** 159 - 1), False)
    freshest = x509.FreshestCRL([x509.DistributionPoint(
        [x509.UniformResourceIdentifier("http://crl.example.com/delta.crl")], None, None, None)])
    curve = ec.generate_private_key(ec.SECP384R1())
    plain = rsa.generate_private_key(65537, 2048)
    edwards = ed25519.Ed25519PrivateKey.generate()
    all_of_them = {
        "ecdsa": (curve, hashes.SHA384(), [number]),
        "delta": (curve, hashes.SHA256(), [number, (x509.DeltaCRLIndicator(2 ** 70), True), (point(), True)]),
        "user": (plain, hashes.SHA256(), [number, (point(user=True), True), (freshest, False)]),
        "ca": (plain, hashes.SHA512(), [number, (point(ca=True), True)]),
        "ed25519": (edwards, None, [number]),
    }
    for kind, (key, digest, extensions) in all_of_them.items():
        made = {"ca": make_ca(key, name), "crl": make_crl(key, name, digest, extensions)}
        for suffix, thing in made.items():
            with open("%s/%s.%s" % (folder, kind, suffix), "wb") as file:
                file.write(thing.public_bytes(serialization.Encoding.DER))


{"read": read, "make": make}[sys.argv[1]](sys.argv[2])
