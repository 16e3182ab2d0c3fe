#!/usr/bin/env bash
# Makes the keys and signatures of this folder anew.
set -euo pipefail
cd "$(dirname "$0")"
GNUPGHOME=$(mktemp -d)
export GNUPGHOME
trap 'gpgconf --kill all; rm -rf "$GNUPGHOME"' EXIT
gpg() { command gpg --batch --quiet --yes --faked-system-time 20250101T000000 --pinentry-mode loopback --passphrase '' "$@"; }
make() { gpg --quick-generate-key "$1 <$1@example.org>" "$2" sign "$3"; }
sign() { gpg --armor --local-user "$1@example.org" --output "$2" --detach-sign "$3"; }

printf 'what was signed\n' >text
printf 'another text\n' >"$GNUPGHOME/another"
make rsa rsa2048 never
make subkey ed25519 never
gpg --quick-add-key "$(gpg --list-keys --with-colons subkey@example.org | awk -F: '$1 == "fpr" { print $10; exit }')" ed25519 sign never
make ended ed25519 2025-02-01
make revoked ed25519 never
make other ed25519 never
for name in rsa subkey ended revoked; do sign "$name" "$name.asc" text; done
fingerprint=$(gpg --list-keys --with-colons revoked@example.org | awk -F: '$1 == "fpr" { print $10; exit }')
sed 's/^:-----BEGIN/-----BEGIN/' "$GNUPGHOME/openpgp-revocs.d/$fingerprint.rev" | gpg --import
for name in rsa subkey ended revoked other; do gpg --armor --export "$name@example.org" >"$name.pub"; done
sign other "$GNUPGHOME/other.asc" "$GNUPGHOME/another"
{ gpg --dearmor <"$GNUPGHOME/other.asc"; gpg --dearmor <rsa.asc; } | gpg --enarmor | sed 's/ARMORED FILE/SIGNATURE/; /^Comment/d' >both.asc
