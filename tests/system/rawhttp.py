"""HTTP over raw sockets, for tests whose first argument is ADDRESS:PORT."""
import socket
import sys

address = sys.argv[1]
host, port = address.rsplit(":", 1)
failures = 0


def check(what, good, seen=""):
    global failures
    print("ok: " + what if good else "FAILED: %s: %s" % (what, seen))
    failures += not good


class Reply:
    def __init__(self, head, body):
        lines = head.split("\r\n")
        self.status = int(lines[0].split()[1])
        self.fields = [tuple(line.split(": ", 1)) for line in lines[1:]]
        self.headers = {name.lower(): value for name, value in self.fields}
        self.body = body

    def __getitem__(self, name):
        return self.headers.get(name)

    def __repr__(self):
        return "%d %s %r" % (self.status, self.fields, self.body[:40])


class Link:
    """A connection; what came beyond the reply that was read last stays in `rest`."""

    def __init__(self, octets=b"", source=None, path=None):
        if path: # a Unix socket
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(30)
            self.socket.connect(path)
        else:
            self.socket = socket.create_connection((host, int(port)), 30, source)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""
        self.send(octets)

    def send(self, octets):
        try:
            self.socket.sendall(octets)
        except OSError:
            pass  # refused before it was read: the reply tells

    def more(self):
        try:
            octets = self.socket.recv(65536)
        except ConnectionError:
            octets = b""
        self.rest += octets
        return octets != b""

    def reply(self, method="GET"):
        """None where the connection ended instead."""
        while b"\r\n\r\n" not in self.rest:
            if not self.more():
                return None
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        reply = Reply(head.decode(), b"")
        if method == "HEAD" or reply.status in (100, 304):
            return reply
        length = int(reply["content-length"])
        while len(self.rest) < length and self.more():
            pass
        reply.body, self.rest = self.rest[:length], self.rest[length:]
        return reply

    def ended(self):
        return self.rest == b"" and not self.more()


def get(path, *headers, method="GET", version="1.1"):
    lines = ["%s %s HTTP/%s" % (method, path, version), "Host: status.example", *headers, "", ""]
    return "\r\n".join(lines).encode()


def ask(octets, method="GET"):
    return Link(octets).reply(method)


def finish():
    sys.exit(min(failures, 100))
