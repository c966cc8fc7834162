#!/bin/bash
# Boots systemd as the first process of namespaces of its own, in what confine.sh has made, with
# only the units of the folder. Arguments: folder, target. In the folder: units, media, install,
# etc, var-lib; they are the namespace's unit path, /srv/media, /opt/media-cleanup, /etc (laid over
# the machine's own), /var/lib. All of /run, /tmp and /var/tmp is new.
set -euo pipefail
folder=$1 target=$2

if [[ ${3-} != inside ]]; then
  # A control group of its own: systemd takes over all that is in the one that it finds itself in.
  mkdir -p "$folder/cgroup"
  mount -t cgroup2 none "$folder/cgroup"
  own=$folder/cgroup/media-cleanup-test-$$
  mkdir "$own"
  trap 'find "$own" -depth -type d -exec rmdir {} + 2>/dev/null || true; umount "$folder/cgroup"' EXIT
  (
    echo "$BASHPID" >"$own/cgroup.procs"
    exec unshare --fork --pid --mount --mount-proc --cgroup --ipc --uts --kill-child \
      /bin/bash "$0" "$folder" "$target" inside
  )
  exit
fi

mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount -t cgroup2 none /sys/fs/cgroup
mkdir -p "$folder"/{etc,etc-work,var-lib,run,media,install,units}
mount -t overlay -o "lowerdir=/etc,upperdir=$folder/etc,workdir=$folder/etc-work" overlay /etc
mount --bind "$folder/var-lib" /var/lib
mount -t tmpfs -o mode=755 none /srv
mkdir /srv/media
mount --bind "$folder/media" /srv/media
mkdir -p "$folder"/{opt,opt-work}
mount -t overlay -o "lowerdir=/opt,upperdir=$folder/opt,workdir=$folder/opt-work" overlay /opt
mkdir -p /opt/media-cleanup
mount --bind "$folder/install" /opt/media-cleanup
mount -t tmpfs -o mode=755 none /run
mkdir -p /run/units /run/lock /run/systemd/journald.conf.d
printf '[Journal]\nReadKMsg=no\nStorage=volatile\n' >/run/systemd/journald.conf.d/test.conf
mount --bind "$folder/units" /run/units
mount -t tmpfs -o mode=1777 none /var/tmp
mount -t tmpfs -o mode=1777 none /tmp
cd /
exec env -i container=test SYSTEMD_UNIT_PATH=/run/units /lib/systemd/systemd --system --unit="$target" \
  --log-level=notice --log-target=console --show-status=false </dev/null
