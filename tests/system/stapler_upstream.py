"""An upstream that misbehaves, for stapler_upstreams.sh.

stapler_upstream.py PKI DIR PORT: what it answers is said by DIR/mode: the name of a file in DIR that it sends, or one of
the ways below. CRLs are at /crl, by DIR/crl-mode in the same way; they honour Prefer: wait. DIR/asked counts requests.
"""
import datetime
import http.server
import os
import sys
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

pki, folder, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
now = datetime.datetime.utcnow().replace(microsecond=0)
day = datetime.timedelta(days=1)


def certificate(name):
    with open(f"{pki}/{name}.crt", "rb") as file:
        return x509.load_pem_x509_certificate(file.read())


def key(name):
    with open(f"{pki}/{name}.key", "rb") as file:
        return serialization.load_pem_private_key(file.read(), None)


ca, ca_key = certificate("issuing-server"), key("issuing-server")
server, other = certificate("server"), certificate("server-must-staple")


def delegate(usage):
    own = ec.generate_private_key(ec.SECP256R1())
    builder = (x509.CertificateBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "d")]))
               .issuer_name(ca.subject).public_key(own.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(now - day).not_valid_after(now + 90 * day)
               .add_extension(x509.ExtendedKeyUsage([usage]), False))
    return builder.sign(ca_key, hashes.SHA256()), own


def response(name, about=server, this=-day / 24, end=30 * day, status=ocsp.OCSPCertStatus.GOOD, by=None):
    signer, signer_key = by or (ca, ca_key)
    revoked = status == ocsp.OCSPCertStatus.REVOKED
    builder = ocsp.OCSPResponseBuilder().add_response(
        about, ca, hashes.SHA1(), status, now + this, now + end, now - day if revoked else None,
        x509.ReasonFlags.key_compromise if revoked else None)
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, signer)
    if by:
        builder = builder.certificates([signer])
    der = builder.sign(signer_key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    save(name, der)
    return der


def save(name, octets):
    with open(f"{folder}/{name}.new", "wb") as file:
        file.write(octets)
    os.rename(f"{folder}/{name}.new", f"{folder}/{name}")


def crl(name, number, this=-day / 24, end=30 * day, by=None, pem=False, serials=(), issuer=ca):
    builder = (x509.CertificateRevocationListBuilder().issuer_name(issuer.subject).last_update(now + this)
               .next_update(now + end).add_extension(x509.CRLNumber(number), False)
               .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), False))
    for serial in serials:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - day).build())
    encoding = serialization.Encoding.PEM if pem else serialization.Encoding.DER
    save(name, builder.sign(by or ca_key, hashes.SHA256()).public_bytes(encoding))


def make():
    good = response("good")
    response("better", this=-day / 48)
    response("best", this=-day / 60)
    response("unrevoked", this=-day / 40)
    response("revoked", this=-day / 40, status=ocsp.OCSPCertStatus.REVOKED)
    save("wrong-signature", good[:-1] + bytes([good[-1] ^ 1]))
    response("no-eku", by=delegate(ExtendedKeyUsageOID.SERVER_AUTH))
    response("other-serial", about=other)
    response("unknown", status=ocsp.OCSPCertStatus.UNKNOWN)
    response("expired", this=-2 * day, end=-day)
    response("future", this=20 * day)
    response("older", this=-3 * day)
    save("try-later", bytes.fromhex("30030a0103"))
    save("unauthorized", bytes.fromhex("30030a0106"))
    save("html", b"<html><body>Welcome to the hotel</body></html>")
    save("cut", good[:100])
    crl("crl-5", 5)
    crl("crl-6", 6, this=-day / 48, pem=True, serials=[server.serial_number])
    crl("crl-7", 7, this=-day / 96)
    crl("crl-4", 4, this=-day / 47)
    crl("crl-7-again", 7, this=-day / 96, serials=[1])
    crl("crl-expired", 9, this=-day / 100, end=-day / 200)
    crl("crl-future", 9, this=20 * day)
    crl("crl-forged", 9, this=-day / 90, by=ec.generate_private_key(ec.SECP256R1()))
    crl("crl-other", 3, this=-day / 100, end=90 * day, by=key("issuing-client"), issuer=certificate("issuing-client"))


def mode_of(name):
    with open(f"{folder}/{name}") as file:
        return file.read().strip()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        with open(f"{folder}/asked", "a") as file:
            file.write(f"{self.command} {self.path[:40]} {self.headers.get('Prefer', '')} {self.headers.get('If-None-Match', '')}\n")

    def send(self, octets, length=None, headers=()):
        self.send_response(200)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(octets) if length is None else length))
        self.end_headers()
        self.wfile.write(octets)

    def misbehave(self, mode):
        if mode == "huge":
            self.send_response(200)
            self.send_header("Content-Type", "application/ocsp-response")
            self.end_headers()
            for _ in range(100):
                self.wfile.write(bytes(1 << 20))
        elif mode == "slow":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            for _ in range(100):
                self.wfile.write(b"0")
                time.sleep(1)
        elif mode == "short":
            self.send(b"0" * 10, 1000)
        elif mode == "loop":
            self.send_response(302)
            self.send_header("Location", self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        elif mode == "file":
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        elif mode == "503":
            self.send_response(503)
            self.send_header("Retry-After", "7000")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.close_connection = True

    def answer(self, mode_file):
        mode = mode_of(mode_file)
        if mode_file == "crl-mode":
            waits = self.headers.get("Prefer", "")
            same = self.headers.get("If-None-Match") == f'"{mode}"'
            end = time.monotonic() + (float(waits[5:]) if waits.startswith("wait=") else 0)
            while same and time.monotonic() < end:
                time.sleep(0.01)
                mode = mode_of(mode_file)
                same = self.headers.get("If-None-Match") == f'"{mode}"'
            applied = [("Preference-Applied", "wait")] if waits else []
            if same:
                self.send_response(304)
                for name, value in applied:
                    self.send_header(name, value)
                self.end_headers()
                return
        try:
            with open(f"{folder}/{mode}", "rb") as file:
                octets = file.read()
        except FileNotFoundError:
            self.misbehave(mode)
            return
        self.send(octets, headers=[("ETag", f'"{mode}"')] + (applied if mode_file == "crl-mode" else []))

    def do_GET(self):
        try:
            if self.command == "GET" and os.path.exists(f"{folder}/no-get"):
                self.send_error(500)
                return
            self.answer({"/crl": "crl-mode", "/crl2": "crl2-mode"}.get(self.path, "mode"))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()


make()
http.server.ThreadingHTTPServer.daemon_threads = True
httpd = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
save("ready", b"")
threading.Thread(target=httpd.serve_forever).start()
