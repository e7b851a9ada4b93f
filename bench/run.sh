#!/bin/bash
# `make bench`: every benchmark, as tables for the README. They take about a minute.
set -eu
cd "$(dirname "$0")"
./ocsp.sh
./crl.sh
