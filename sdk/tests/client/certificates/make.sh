#!/usr/bin/env bash
# Makes the certificates of the TLS tests: one authority, a server `temporal.test`, a client, and a stranger of whom the authority knows nothing. They protect nothing.
set -euo pipefail
cd "$(dirname "$0")"
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key.pem" 2>/dev/null; }
key ca
openssl req -x509 -new -key ca.key.pem -days 36500 -subj "/CN=abide test authority" -out ca.pem
signed() { # name, extensions
  key "$1"
  openssl req -new -key "$1.key.pem" -subj "/CN=$1" |
    openssl x509 -req -CA ca.pem -CAkey ca.key.pem -days 36500 -extfile <(printf '%s\n' "$2") -out "$1.pem" 2>/dev/null
}
signed server "subjectAltName=DNS:temporal.test"
signed client "extendedKeyUsage=clientAuth"
key stranger
openssl req -x509 -new -key stranger.key.pem -days 36500 -subj "/CN=stranger" -out stranger.pem
rm ca.key.pem ./*.srl 2>/dev/null || true
