#!/bin/bash
# Runs in a mount namespace of its own, which confine.ts has made: leaves only the folder writable,
# then becomes the command. Any doubt ends here, with 125, before the command runs.
# Arguments: folder, cwd, user ("uid:gid" or ""), prepare (shell text or ""),
#            mounts (type, point, source or options)…, --, NAME=value…, command…
set -euo pipefail

refuse() {
  printf 'confine: %s\n' "$*" >&2
  exit 125
}
trap 'refuse "line $LINENO failed"' ERR

folder=$1 cwd=$2 user=$3 prepare=$4
shift 4
[[ $folder == /*/*/* && -d $folder && ! -L $folder ]] || refuse "not a test folder: $folder"

mount --rbind "$folder" "$folder"
mapfile -t lines </proc/self/mountinfo
for line in "${lines[@]}"; do
  read -r _ _ _ _ point options _ <<<"$line"
  printf -v point '%b' "$point"
  case $point in "$folder" | "$folder"/*) continue ;; esac
  case ,$options, in *,ro,*) continue ;; esac
  # Mount points that a later mount hides cannot be reached, by the command neither.
  mount -o "remount,bind,${options/rw/ro}" "$point" 2>/dev/null ||
    ! mountpoint -q "$point" || refuse "cannot make $point read-only"
done

while [[ $1 != -- ]]; do
  kind=$1 point=$2 what=$3
  shift 3
  case $point in *..*) refuse "mount with ..: $point" ;; "$folder"/*) ;; *) refuse "mount outside the folder: $point" ;; esac
  mkdir -p "$point"
  case $kind in
    tmpfs) mount -t tmpfs -o "$what" none "$point" ;;
    bind) mount --bind "$what" "$point" ;;
    bind-read-only) mount --bind "$what" "$point" && mount -o remount,bind,ro "$point" ;;
    *) refuse "unknown kind of mount: $kind" ;;
  esac
done
shift

# From here on paths lead to the new mounts; the inherited directory did not.
cd "$cwd"
if [[ -n $prepare ]]; then
  (trap - ERR; cd "$folder"; eval "$prepare") </dev/null >&2 || refuse "prepare failed"
fi
if [[ -n $user ]]; then
  exec setpriv --reuid="${user%:*}" --regid="${user#*:}" --clear-groups -- /usr/bin/env -i "$@"
fi
exec /usr/bin/env -i "$@"
