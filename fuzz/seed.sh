#!/bin/sh
# Fills corpus/ with the checked-in seeds and the conformance cases, each case for one dialect in turn.
set -eu
cd "$(dirname "$0")"
mkdir -p corpus/macros corpus/spec corpus/rich
for target in macros spec rich; do
  cp seeds/$target/* corpus/$target/
done
n=0
for file in ../crates/bedplate-spec/tests/data/conformance/cases/*/*.spec; do
  name=$(basename "$(dirname "$file")")-$(basename "$file")
  { printf '%d' $((n % 3)); cat "$file"; } > "corpus/spec/$name"
  n=$((n + 1))
done
grep -ho 'Requires: (.*' ../crates/bedplate-spec/tests/data/conformance/cases/deps-rich/*.spec | sort -u | while read -r _ text; do
  n=$((n + 1))
  printf '0%s' "$text" > "corpus/rich/case-$n"
done
