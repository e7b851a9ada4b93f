"""Milliseconds from the moment a revocation is sent until a client that waits has the whole new CRL: median and worst.

crl_latency.py PUBLIC ADMIN TOKEN shards|deltas ROUNDS; the serials 1 to ROUNDS + 1 are good before. The first does not
count: it waits for what the start makes of a database that was filled behind the daemon's back.
"""
import http.client
import json
import statistics
import sys
import threading
import time

public, admin, token, kind, rounds = sys.argv[1:5] + [int(sys.argv[5])]
issuer = "issuing-client"


def shard_of(serial):
    """As issuer_shard_of: FNV-1a of the serial's octets, folded."""
    octets, value = bytes.fromhex(serial).lstrip(b"\0"), 0xCBF29CE484222325
    for octet in octets:
        value = (value ^ octet) * 0x100000001B3 % (1 << 64)
    return (value ^ value >> 32) % 64


def wait_for(connection, path, etag, serial, result):
    """Until the list has the serial: another change may be published before."""
    while True:
        connection.request("GET", path, headers={"If-None-Match": etag, "Prefer": "wait=30"})
        response = connection.getresponse()
        body, etag = response.read(), response.getheader("ETag")
        if response.status != 200 or bytes.fromhex(serial) in body:
            result.append((time.monotonic(), response.status))
            return


def present(connection, path):
    connection.request("GET", path)
    response = connection.getresponse()
    response.read()
    return response.getheader("ETag")


took = []
client, waiter = http.client.HTTPConnection(admin), http.client.HTTPConnection(public)
for number in range(1, rounds + 2):
    serial = "01%030d" % number
    path = "/crl/%s/%d.crl" % (issuer, shard_of(serial)) if kind == "shards" else "/crl/%s-delta.crl" % issuer
    etag, result = present(waiter, path), []
    thread = threading.Thread(target=wait_for, args=(waiter, path, etag, serial, result))
    thread.start()
    time.sleep(0.3)  # the request is there, and what the last one caused is over
    start = time.monotonic()
    client.request("POST", "/api/v1/issuers/%s/certificates/%s/revoke" % (issuer, serial), body='{"reason":"keyCompromise"}',
                   headers={"Authorization": "Bearer " + token, "Content-Type": "application/json"})
    answer = json.loads(client.getresponse().read())
    thread.join()
    at, status = result[0]
    if status != 200 or not answer.get("changed"):
        sys.exit("%s: HTTP %d, %s" % (serial, status, answer))
    if number > 1:
        took.append(1000 * (at - start))
print("%.1f | %.1f" % (statistics.median(took), max(took)))
