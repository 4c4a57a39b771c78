#!/bin/sh
# Runs the worker under a systemd of its own, by the unit that README gives: it starts and says that it is ready, comes back after a crash
# with its jobs, drains when it is stopped and ends with 0. Needs root, unshare and systemd (apt-get install systemd). This systemd has
# namespaces of its own and sees only this unit; /etc is a copy, /opt, /run, /tmp and /var/lib are empty folders in memory: all end with it.
set -eu
cd "$(dirname "$0")/.."
if [ "$(id -u)" -ne 0 ] || [ ! -x /lib/systemd/systemd ]; then
    echo "systemd.sh: needs root and systemd (apt-get install systemd)" >&2
    exit 1
fi

if [ "${1:-}" != inside ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    dotnet publish src/DiffusionClip.Worker -c Release -r linux-x64 --no-self-contained -o "$work/published" -v q --tl:off
    sed -n '/^```ini$/,/^```$/{/^```/!p}' README.md >"$work/diffusionclip.service"
    status=0
    WORK="$work" unshare --pid --mount --uts --ipc --cgroup --fork --mount-proc "$(pwd)/tests/systemd.sh" inside </dev/null >"$work/systemd.log" 2>&1 || status=$?
    cat "$work/trial.log" || cat "$work/systemd.log"
    exit "$status"
fi

mount -t tmpfs tmpfs /run
mkdir /run/trial && mount --bind "$WORK" /run/trial
for folder in /opt /tmp /var/lib; do mount -t tmpfs tmpfs "$folder"; done
cp -r /run/trial/published /opt/diffusionclip
cp -a /etc /tmp/etc
mount --bind /tmp/etc /etc
echo 'diffusionclip:x:64999:64999::/nonexistent:/usr/sbin/nologin' >>/etc/passwd
echo 'diffusionclip:x:64999:' >>/etc/group

units=/tmp/units
mkdir "$units"
cp /run/trial/diffusionclip.service "$units"
for target in sysinit basic network multi-user shutdown; do printf '[Unit]\nDefaultDependencies=no\n' >"$units/$target.target"; done
printf '[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nExecStart=/tmp/trial.sh\nStandardOutput=append:/run/trial/trial.log\nStandardError=inherit\n' >"$units/trial.service"
cat >/tmp/trial.sh <<'E2'
#!/bin/sh
unit() { systemctl show diffusionclip -p "$1" --value; }
fail() { echo "FAILED: $1"; systemctl status diffusionclip --no-pager; systemctl --force exit 1; sleep 60; }
submit() { curl -sf http://127.0.0.1:7860/api/v1/jobs -H 'content-type: application/json' -d "{\"generate\":{\"prompt\":{\"text\":\"two cats\"},\"sampling\":{\"num_inference_steps\":$1,\"seed\":$2},\"search\":{\"candidates\":4}}}" | grep -o '"id":"[0-9A-Z]*"' | head -1 | cut -d'"' -f4; }
state() { curl -sf "http://127.0.0.1:7860/api/v1/jobs/$1" | grep -o '"state":"[a-z_]*"' | head -1 | cut -d'"' -f4; }
resumed() { curl -sf "http://127.0.0.1:7860/api/v1/jobs/$1" | grep -o '"from_snapshot":[a-z]*' || echo 'not interrupted'; }
becomes() {
    for i in $(seq 180); do [ "$(state "$1")" = "$2" ] && return; sleep 1; done
    fail "the job is $(state "$1")"
}

systemctl start diffusionclip || fail "it does not start"
[ "$(unit ActiveState)" = active ] || fail "it is not active"
echo "started: $(unit ActiveState), $(unit Type), as $(unit User), its data: $(ls /var/lib/diffusionclip | tr '\n' ' ')"
job=$(submit 200 1)
[ -n "$job" ] || fail "no job was accepted"
becomes "$job" running
sleep 12
kill -9 "$(unit MainPID)"
for i in $(seq 60); do [ "$(unit NRestarts)" -ge 1 ] && [ "$(unit ActiveState)" = active ] && break; sleep 1; done
[ "$(unit ActiveState)" = active ] || fail "it does not come back"
becomes "$job" done
echo "killed: $(unit NRestarts) restart, its job is $(state "$job"), $(resumed "$job")"
job=$(submit 100 2)
systemctl stop diffusionclip || fail "it does not stop"
[ "$(unit Result)" = success ] && [ "$(unit ExecMainStatus)" = 0 ] || fail "it ended with $(unit Result), $(unit ExecMainStatus)"
echo "stopped: $(unit Result), exit status $(unit ExecMainStatus)"
systemctl start diffusionclip || fail "it does not start again"
becomes "$job" done
echo "started again: the job that ran when it was stopped is $(state "$job"), $(resumed "$job")"
systemctl stop diffusionclip
systemctl --force exit 0
E2
chmod +x /tmp/trial.sh
exec env -i PATH="$PATH" DOTNET_ROOT="${DOTNET_ROOT:-}" container=unshare SYSTEMD_UNIT_PATH="$units" SYSTEMD_LOG_TARGET=console /lib/systemd/systemd --system --unit=trial.service
