# What a node has beyond the quickstart. `bedplate image boot --run` runs this in the image.
set -eu
well() { echo "good: $*"; }
bad() { echo "BAD: $*"; exit 1; }

state=$(systemctl is-system-running --wait) || { systemctl --failed --no-pager; bad "the system is $state"; }
well "the system is $state"
for unit in auditd bedplate-containers chronyd containerd kubelet packet-filter sshd; do
  systemctl is-active --quiet $unit.service || { systemctl status --no-pager $unit.service; bad "$unit does not run"; }
done
well "containerd, kubelet, chronyd and sshd run"
rules=$(iptables -S INPUT | wc -l)
test "$rules" -gt 5 || bad "the packet filter has $rules rules"
well "the packet filter has $rules rules for what comes in"
test "$(sshd -T | grep -c -E '^(passwordauthentication|kbdinteractiveauthentication) no$')" = 2 || bad "sshd takes passwords"
well "sshd takes keys only"
ctr --namespace k8s.io image ls -q | grep -q '^localhost/pause:1$' || bad "the image of pods is not there"
well "the image of pods is there"
auditctl -s | grep -q '^enabled 1$' || bad "the kernel does not audit"
rules=$(auditctl -l | grep -c '^-[aw]') || true
wanted=$(grep -c '^-[aw]' /etc/audit/rules.d/50-node.rules)
test "$rules" = "$wanted" || { systemctl status --no-pager audit-rules.service; bad "$rules of $wanted rules of audit are there"; }
sudo true
ausearch --input-logs --key sudo --raw | grep -q 'type=SYSCALL.* exe="/usr/bin/sudo"' || bad "a use of sudo is not in the log"
well "audit is enabled, with $rules rules, and has a use of sudo in its log"
grep -q '\[integrity\]' /sys/kernel/security/lockdown || bad "lockdown: $(cat /sys/kernel/security/lockdown)"
modprobe dummy || bad "a module that we signed is not loaded"
module=$(modinfo --field filename dummy)
cp "$module" /tmp/unsigned.ko
# The mark at its end says that a signature is before it.
truncate --size=-28 /tmp/unsigned.ko
modprobe --remove dummy
if insmod /tmp/unsigned.ko 2>/dev/null; then bad "a module without its signature is loaded"; fi
well "the kernel loads signed modules only"
setuid=$(find /usr/bin /usr/sbin -perm /6000 | sort | tr '\n' ' ')
test "$setuid" = "/usr/bin/passwd /usr/bin/su /usr/bin/sudo /usr/sbin/unix_chkpwd " || bad "setuid: $setuid"
well "four programs run as root for others: passwd, su, sudo, unix_chkpwd"
veritysetup status usr | grep -q 'status: *verified' || bad "/usr is not verified"
well "/usr is verified"

# A pod of a file, which kubelet starts through containerd: its network is of the plugins, its memory ends where the file says.
tasks() { ctr --namespace k8s.io task ls; }
process=
while test -z "$process"; do
  id=$(ctr --namespace k8s.io container ls -q 'labels."io.kubernetes.container.name"==hello' | head -n 1)
  test -z "$id" || process=$(tasks | sed -n "s/^$id  *\([0-9]*\)  *RUNNING.*/\1/p")
  if test $SECONDS -gt 900; then journalctl --no-pager --unit kubelet --lines 100; bad "the pod does not run"; fi
  test -n "$process" || sleep 5
done
test "$(curl --silent http://127.0.0.1:10248/healthz)" = ok || bad "kubelet is not healthy"
well "kubelet is healthy: $(kubelet --version)"
well "the pod of /etc/kubernetes/manifests runs: $(sed 's/.* F //' /var/log/pods/default_hello-*/hello/0.log)"
address=$(nsenter --net=/proc/$process/ns/net ip -4 -o addr show dev eth0 | sed 's/.* inet \([^/ ]*\).*/\1/')
case $address in 10.88.*) ;; *) bad "the pod has the address $address" ;; esac
group=/sys/fs/cgroup$(sed -n s/^0:://p /proc/$process/cgroup)
limit=$(cat $group/memory.max)
test "$limit" = 33554432 || bad "the pod may have $limit bytes of memory"
well "the pod has the address $address and $limit bytes of memory"
