#!/bin/sh
# Make the expected answers again from the real rpm.
#   ./make-expected.sh                 expected/GROUP/NAME.json and .parsed (run it where rpm 4.18 is installed)
#   ./make-expected.sh rpm420          NAME.rpm420.* where rpm 4.20's answer differs (run it where rpm 4.20 is installed)
#   ./make-expected.sh rpm61           NAME.rpm61.* where rpm 6.1's answer differs from 4.20's (run it where rpm 6.1 is installed)
# In this order: each version is kept as its difference from the one before.
# Environment: ORACLE (the command, default: python3 oracle.py with the system's Python), EXPECTED (the folder, default: expected).
set -eu
cd "$(dirname "$0")"
variant=${1:-}
want=4.18
[ "$variant" = rpm420 ] && want=4.20
[ "$variant" = rpm61 ] && want=6.1
have=$(rpm --version 2>/dev/null | awk '{ print $NF }' || true)
case $have in
  "$want"*) ;;
  *) echo "make-expected.sh: rpm $want is wanted here, found '${have:-none}'" >&2; exit 2 ;;
esac
exec /usr/bin/python3 compare.py --write ${variant:+--variant "$variant"} "${EXPECTED:-expected}" ${ORACLE:-/usr/bin/python3 oracle.py}
