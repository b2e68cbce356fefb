#!/bin/bash
# Runs a command under a systemd user manager of its own.
#
#   user-manager.sh [--user NAME] [--base FOLDER] COMMAND...
#
# As root only: the manager gets control groups of its own in every hierarchy, because one that starts in the root group
# takes the whole machine for its own and moves every process into a scope. Without such groups nothing is started.
# The exit status is the command's; 77 says that no manager is possible here.
set -u

user='' base=''
while [ $# -gt 0 ]; do
    case $1 in
    --user) user=$2 && shift 2 ;;
    --base) base=$2 && shift 2 ;;
    *) break ;;
    esac
done
[ $# -gt 0 ] || { echo "user-manager: no command given" >&2; exit 64; }
cannot() { echo "user-manager: $1" >&2; exit 77; }

[ "$(id -u)" = 0 ] || cannot "run it as root: only root can give a manager control groups of its own"
[ -x /lib/systemd/systemd ] || cannot "install the packages systemd and dbus-user-session"
command -v setpriv >/dev/null || cannot "install the package util-linux (setpriv)"

if [ -z "$base" ]; then
    base=$(mktemp -d /tmp/f.XXXXXX) # short: a socket's path has at most 107 bytes
    own_base=1
fi
chmod 755 "$base"
export XDG_RUNTIME_DIR=$base/run HOME=$base/home XDG_CONFIG_HOME=$base/home/.config
export XDG_STATE_HOME=$base/home/.local/state XDG_DATA_HOME=$base/home/.local/share XDG_CACHE_HOME=$base/home/.cache
export DBUS_SESSION_BUS_ADDRESS=unix:path=$XDG_RUNTIME_DIR/bus
mkdir -p "$XDG_RUNTIME_DIR" "$XDG_CONFIG_HOME/systemd/user" "$XDG_STATE_HOME" "$XDG_DATA_HOME" "$XDG_CACHE_HOME"
chmod 700 "$XDG_RUNTIME_DIR"
unset NOTIFY_SOCKET LISTEN_FDS LISTEN_PID MANAGERPID INVOCATION_ID JOURNAL_STREAM TMUX TMUX_PANE
# Without it systemd takes the machine for not booted and refuses (sd_booted(3)).
mkdir -p /run/systemd/system 2>/dev/null || cannot "/run/systemd/system cannot be made"

# The groups of runs that were killed; only those that nothing lives in any more.
for group in /sys/fs/cgroup/{,*/}fleet-agents-*; do
    [ -d "$group" ] || continue
    owner=${group##*-}
    if ! kill -0 "$owner" 2>/dev/null; then
        find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
    fi
done

groups=() needed=0
for top in /sys/fs/cgroup/{systemd,unified,cpu,cpuacct,memory,pids,blkio,devices,freezer} /sys/fs/cgroup; do
    [ "$top" != /sys/fs/cgroup ] || [ -f "$top/cgroup.controllers" ] || continue
    [ -w "$top/cgroup.procs" ] || continue
    if mkdir "$top/fleet-agents-$$" 2>/dev/null; then
        groups+=("$top/fleet-agents-$$")
        case $top in */systemd | */unified | /sys/fs/cgroup) needed=1 ;; esac
    fi
done
remove_groups() { find "${groups[@]}" -depth -type d -exec rmdir {} + 2>/dev/null; }
if [ ${#groups[@]} -eq 0 ] || [ $needed = 0 ]; then
    [ ${#groups[@]} -eq 0 ] || remove_groups
    cannot "control groups are not writable: run it where root may make them (a container needs --privileged)"
fi

drop=(setpriv) inaccessible=/run/systemd/inaccessible
if [ -n "$user" ]; then
    uid=$(id -u "$user") gid=$(id -g "$user")
    chown -R "$uid:$gid" "$base"
    for group in "${groups[@]}"; do
        chown "$uid:$gid" "$group" "$group"/{cgroup.procs,tasks,cgroup.subtree_control,cgroup.threads} 2>/dev/null
    done
    drop=(setpriv --reuid "$uid" --regid "$gid" --init-groups)
    inaccessible=/run/user/$uid/systemd/inaccessible
    install -d -o "$uid" -g "$gid" "/run/user/$uid" "/run/user/$uid/systemd"
fi
# The nodes that systemd mounts over what a unit may not see; a booted machine has them.
install -d ${user:+-o "$uid" -g "$gid"} "$inaccessible"
[ -d "$inaccessible/dir" ] || install -d -m 0 "$inaccessible/dir"
[ -e "$inaccessible/reg" ] || install -m 0 /dev/null "$inaccessible/reg"

cleanup() {
    trap - EXIT INT TERM
    kill -TERM "$manager" 2>/dev/null
    for _ in {1..150}; do kill -0 "$manager" 2>/dev/null || break; sleep .1; done
    kill -KILL "$manager" 2>/dev/null
    wait "$manager" 2>/dev/null
    # Only what is left inside our own groups.
    for _ in {1..50}; do
        left=$(find "${groups[@]}" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u)
        [ -n "$left" ] || break
        for pid in $left; do kill -KILL "$pid" 2>/dev/null; done
        sleep .1
    done
    remove_groups
    [ -z "${own_base:-}" ] || rm -rf "$base"
}
# --pdeathsig: the manager ends and stops its units even when this script is killed.
(
    for group in "${groups[@]}"; do echo "$BASHPID" >"$group/cgroup.procs"; done
    exec "${drop[@]}" --pdeathsig TERM /lib/systemd/systemd --user
) >"$base/manager.log" 2>&1 &
manager=$!
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

for _ in {1..300}; do
    state=$(timeout 10 "${drop[@]}" --pdeathsig keep systemctl --user is-system-running 2>/dev/null)
    case $state in running | degraded) break ;; esac
    kill -0 "$manager" 2>/dev/null || { cat "$base/manager.log" >&2; cannot "systemd --user ended at once"; }
    sleep .05
done
case $state in running | degraded) ;; *) cannot "systemd --user is still ${state:-silent} after 15 s" ;; esac

"${drop[@]}" --pdeathsig keep -- "$@"
