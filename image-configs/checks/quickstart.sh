# Is the machine well, and do containers run as they should? `bedplate image boot --run` runs this in the image.
set -eu
well() { echo "good: $*"; }
bad() { echo "BAD: $*"; exit 1; }
hello() { ctr run --rm "$@"; }

state=$(systemctl is-system-running --wait) || { systemctl --failed --no-pager; bad "the system is $state"; }
well "the system is $state, in $(systemd-analyze time | sed -n 's/^Startup finished in .* = //p')"
test -z "$(systemctl --failed --no-legend --plain)" || bad "units have failed"
well "no unit has failed"

ctr version > /dev/null || bad "containerd does not answer"
well "containerd $(ctr version | sed -n '/Server/,$ s/ *Version: *//p') answers"
ctr image import --no-unpack=false /usr/share/containers/hello.tar > /dev/null
image=localhost/hello:1
said=$(hello $image first)
test "$said" = "Hello from a container." || bad "the container said: $said"
well "a container said: $said"

# Its network is its own, and has nothing but itself to talk to.
host=$(readlink /proc/self/ns/net)
own=$(hello $image second readlink /proc/self/ns/net)
test "$own" != "$host" || bad "the container has the network of the host"
links=$(hello $image third ls /sys/class/net)
test "$links" = lo || bad "the container sees the links $links"
well "its network is its own: $own, not $host, with $links only"

# Its memory ends where it is told.
fill='head -c 100000000 /dev/zero | tail -c 1 > /dev/null && text=$(head -c 100000000 /dev/zero | tr "\\0" x) && echo filled ${#text}'
said=$(hello --memory-limit 1000000000 $image fourth bash -c "$fill")
test "$said" = "filled 100000000" || bad "with enough memory the container said: $said"
if hello --memory-limit 67108864 $image fifth bash -c "$fill"; then bad "the container took more memory than it may have"; fi
well "a container that takes more than its 64 MiB of memory is killed"

grep -q '\[integrity\]' /sys/kernel/security/lockdown || bad "lockdown: $(cat /sys/kernel/security/lockdown)"
well "the kernel lets nobody change it; $(wc -l < /proc/modules) modules are loaded, all signed"

device=$(findmnt --noheadings --output SOURCE /usr)
test "$device" = /dev/mapper/usr || bad "/usr is $device"
test -z "$(dmsetup status usr | sed 's/.* verity V.*//')" || bad "verity of /usr: $(dmsetup status usr)"
well "/usr is verified: $(dmsetup status usr)"
