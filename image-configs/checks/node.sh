# What a node has beyond the quickstart. `bedplate image boot --run` runs this in the image.
set -eu
well() { echo "good: $*"; }
bad() { echo "BAD: $*"; exit 1; }

state=$(systemctl is-system-running --wait) || { systemctl --failed --no-pager; bad "the system is $state"; }
well "the system is $state"
for unit in bedplate-containers chronyd containerd packet-filter sshd; do
  systemctl is-active --quiet $unit.service || { systemctl status --no-pager $unit.service; bad "$unit does not run"; }
done
well "containerd, chronyd and sshd run"
rules=$(iptables -S INPUT | wc -l)
test "$rules" -gt 5 || bad "the packet filter has $rules rules"
well "the packet filter has $rules rules for what comes in"
test "$(sshd -T | grep -c -E '^(passwordauthentication|kbdinteractiveauthentication) no$')" = 2 || bad "sshd takes passwords"
well "sshd takes keys only"
ctr --namespace k8s.io image ls -q | grep -q '^localhost/pause:1$' || bad "the image of pods is not there"
well "the image of pods is there"
veritysetup status usr | grep -q 'status: *verified' || bad "/usr is not verified"
well "/usr is verified"
