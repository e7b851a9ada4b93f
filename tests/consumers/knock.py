"""knock.py PROTOCOL ADDRESS PKI NAME [loop]: client NAME knocks, with TLS and its certificate.

PROTOCOL is amqp, mqtt, http or tls. Says "in" when the server spoke to it, "refused: ALERT" when TLS ended that, "away" when
nobody was there. In TLS 1.3 a client learns that it is refused only when it reads, so it always waits for an answer.
"""
import atexit, os, socket, ssl, sys, tempfile

GREETINGS = {
    "amqp": b"AMQP\x00\x00\x09\x01",  # answered by Connection.Start
    "mqtt": b"\x10\x14\x00\x04MQTT\x04\x02\x00\x3c\x00\x08%08d" % os.getpid(),  # by CONNACK
    "http": b"GET / HTTP/1.0\r\n\r\n",
    "tls": b"?",
}


def knock(protocol, address, pki, name):
    context = ssl.create_default_context(cafile=pki + "/root.crt")
    context.check_hostname = False
    context.load_cert_chain(chain(pki, name), pki + "/" + name + ".key")
    host, port = address.rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), timeout=20) as plain:
            with context.wrap_socket(plain) as secure:
                secure.sendall(GREETINGS[protocol])
                answer = secure.recv(256)
                if protocol == "http" and b" 200 " not in answer:
                    return "refused: %r" % answer[:20]
                return "in" if answer else "refused: closed"
    except ssl.SSLError as error:
        return "refused: %s" % error
    except ConnectionRefusedError:
        return "away"
    except OSError as error:
        return "refused: %s" % error


def chain(pki, name):
    """The certificate with the CAs above it, as a client sends them."""
    if not hasattr(chain, "path"):
        with tempfile.NamedTemporaryFile(delete=False, suffix=".pem") as file:
            for part in (pki + "/" + name + ".crt", pki + "/client-chain.pem"):
                file.write(open(part, "rb").read())
        chain.path = file.name
        atexit.register(os.unlink, chain.path)
    return chain.path


def main():
    arguments = sys.argv[1:5]
    while True:
        result = knock(*arguments)
        print(result, flush=True)
        if len(sys.argv) < 6:
            sys.exit(0 if result == "in" else 1)


main()
