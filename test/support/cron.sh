#!/bin/bash
# Runs Debian's cron with one crontab of root, in what confine.sh has made, until its job has ended.
# Arguments: folder, the directory of node and npx. In the folder: crontab, install, etc; they
# become root's crontab, /opt/media-cleanup, /etc/media-cleanup. What cron mails is written to `mail`.
set -euo pipefail
folder=$1 node=$2

if [[ ${3-} != inside ]]; then
  exec unshare --fork --pid --mount --mount-proc --kill-child /bin/bash "$0" "$folder" "$node" inside
fi

lay_over() {
  mkdir -p "$folder/over/$1" "$folder/scratch/$1"
  mount -t overlay -o "lowerdir=/$1,upperdir=$folder/over/$1,workdir=$folder/scratch/$1" overlay "/$1"
}
for directory in etc opt usr/bin usr/sbin; do lay_over "$directory"; done
mkdir -p /etc/media-cleanup /opt/media-cleanup
mount --bind "$folder/etc" /etc/media-cleanup
mount --bind "$folder/install" /opt/media-cleanup
# Cron finds no other jobs than ours.
rm -f /etc/crontab /etc/cron.d/*
for command in node npx; do [[ -e /usr/bin/$command ]] || ln -s "$node/$command" /usr/bin; done
rm -f /usr/sbin/sendmail
printf '#!/bin/sh\ncat >>"%s"\n' "$folder/mail" >/usr/sbin/sendmail
chmod 755 /usr/sbin/sendmail
for place in /run /var/lib /var/spool; do mount -t tmpfs -o mode=755 none "$place"; done
mkdir /var/spool/cron
install -d -m 1730 /var/spool/cron/crontabs
# Cron keeps in /tmp what it will mail; the folder stays where it is.
mkdir /run/folder
mount --rbind "$folder" /run/folder
mount -t tmpfs -o mode=1777 none /tmp
mkdir -p "$folder"
mount --rbind /run/folder "$folder"
install -m 0600 "$folder/crontab" /var/spool/cron/crontabs/root
cd /

env -i /usr/sbin/cron -f &
cron=$!
children() { cat "/proc/$cron/task/$cron/children"; }
for _ in $(seq 100); do [[ -n $(children) ]] && break || sleep 0.05; done
for _ in $(seq 600); do [[ -z $(children) ]] && break || sleep 0.05; done
kill "$cron"
