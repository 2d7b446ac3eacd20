#!/bin/sh
# Run in the base root's folder, $1, when its packages are installed.
set -eu

# Each Pi gets its own.
rm -f "$1"/etc/ssh/ssh_host_* "$1/etc/resolv.conf"
: >"$1/etc/hostname"

chroot "$1" useradd --create-home --shell /bin/bash pi
chroot "$1" install -d -m 0700 -o pi -g pi /home/pi/.ssh
echo 'pi ALL=(ALL) NOPASSWD: ALL' >"$1/etc/sudoers.d/pi"
chmod 0440 "$1/etc/sudoers.d/pi"

# The image cannot hold the capability by which anyone may ping.
chmod u+s "$1/bin/ping"

printf 'auto lo\niface lo inet loopback\nsource /etc/network/interfaces.d/*\n' >"$1/etc/network/interfaces"
mkdir -p "$1/etc/network/interfaces.d"

# There is no network beyond the lab, nothing to fetch and no disk to check.
chroot "$1" systemctl disable --quiet apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service
