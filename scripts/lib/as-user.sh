#!/usr/bin/env bash
# as-user.sh USER REPOSITORY LIST: runs the test programs in LIST as USER. Meant for a mount namespace of its own, in which
# it may open the way to the repository. Used by .ci/run.
set -euo pipefail
user=$1 repository=$2 list=$3
home=$(getent passwd "$user" | cut -d: -f6)
drop=(setpriv "--reuid=$user" "--regid=$user" --init-groups --)

if ! "${drop[@]}" test -r "$repository/Cargo.toml"; then
    # Where the way ends: the first folder that the user may not enter.
    closed=
    while read -r folder; do
        "${drop[@]}" test -x "$folder" || { closed=$folder && break; }
    done < <(path=$repository; while [ "$path" != / ]; do echo "$path"; path=$(dirname "$path"); done | tac)
    aside=$(mktemp -d)
    mount --bind "$repository" "$aside"
    mount -t tmpfs -o mode=755 none "$closed"
    mkdir -p "$repository"
    mount --bind "$aside" "$repository"
    umount "$aside"
    rmdir "$aside"
fi
cd "$repository"
temporary=$(mktemp -d)
chown "$user:" "$temporary"
trap 'rm -rf "$temporary"' EXIT

log=$temporary.log
: >"$log"
failed=0
while read -r program; do
    echo "-- $(basename "$program")"
    env -i HOME="$home" USER="$user" LOGNAME="$user" SHELL=/bin/sh LANG=C.UTF-8 TMPDIR="$temporary" CI=true \
        PATH=/usr/local/bin:/usr/bin:/bin CARGO_MANIFEST_DIR="$repository" INSTA_WORKSPACE_ROOT="$repository" \
        INSTA_UPDATE=no RUST_BACKTRACE=1 PROPTEST_RNG_SEED="$PROPTEST_RNG_SEED" "${drop[@]}" timeout --kill-after=10 900 "$program" --quiet </dev/null 2>&1 |
        tee -a "$log" || failed=1
done <"$list"
awk '/^test result: / { passed += $4; failed += $6 } END { print "as the ordinary user: " passed + 0 " passed, " failed + 0 " failed" }' "$log"
rm -f "$log"
exit "$failed"
