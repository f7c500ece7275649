#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A real Blender with its window, from Debian packages, for the tests in this folder:
#
#   setup_blender.sh FOLDER [trixie | sid]
#
# Makes a small Debian in FOLDER/RELEASE, which photograph.py enters with chroot, and prints that folder's path.
# trixie, the default, has Blender 4.3 and Python 3.13; sid moves on, and had Blender 5.2 and Python 3.14 when this was
# written. Nothing is mounted and nothing outside FOLDER changes, except that debootstrap is installed if the machine
# lacks it. A finished one is left alone, a half-made one is completed. Needs root, apt-get, 2 GB of disk; takes about
# 4 minutes. DEBIAN_MIRROR names a mirror other than apt's own.
set -euo pipefail

usage() { sed -n '4,12s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ $# -eq 1 ] || [ $# -eq 2 ] || usage
release=${2:-trixie}
case $release in trixie | sid) ;; *) usage ;; esac
folder=$(mkdir -p "$1" && cd "$1" && pwd)
root=$folder/$release
stamp=$root/.blender-ready
base=$root/.debian-ready
attempts=3

packages=(blender python3-numpy python3-requests python3-zstandard python3-cattr
          xvfb xauth xdotool scrot libegl1 libegl-mesa0 libgl1 libglx-mesa0 libgl1-mesa-dri)

say() { printf '[%4ds] %s\n' "$SECONDS" "$*" >&2; }

in_root() {
    chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive ${http_proxy:+http_proxy="$http_proxy"} "$@"
}

# Runs a step until it succeeds: mirrors time out now and then. What it prints goes to FOLDER/RELEASE-NAME.log.
insist() {
    local name=$1 attempt
    shift
    for attempt in $(seq "$attempts"); do
        say "$name (attempt $attempt of $attempts)"
        if "$@" >"$root-$name.log" 2>&1; then return 0; fi
        tail -5 "$root-$name.log" >&2
        sleep 5
    done
    say "$name failed; the whole log is $root-$name.log"
    return 1
}

install_debootstrap() {
    apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install debootstrap
}

# The machine's own Debian mirror, so that no host name stands here; none found lets debootstrap choose.
find_mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -m1 -E '/debian/?$' || true
}

# debootstrap cannot resume, so each attempt begins with an empty folder.
make_debian() {
    rm -rf --one-file-system "$root" &&
        debootstrap --variant=minbase "$release" "$root" ${mirror:+"$mirror"} &&
        printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" && chmod +x "$root/usr/sbin/policy-rc.d" &&
        printf 'force-unsafe-io\npath-exclude=/usr/share/%s/*\npath-exclude=/usr/share/%s/*\n' doc man \
            >"$root/etc/dpkg/dpkg.cfg.d/small" &&
        printf '%s;\n' 'APT::Install-Recommends "0"' 'APT::Sandbox::User "root"' 'Acquire::Languages "none"' \
            'Acquire::Retries "3"' 'Acquire::Check-Valid-Until "false"' >"$root/etc/apt/apt.conf.d/99small" &&
        touch "$base"
}

install_blender() {
    in_root apt-get -y update && in_root dpkg --configure -a && in_root apt-get -y -f install "${packages[@]}" &&
        in_root apt-get clean
}

if [ -e "$stamp" ]; then
    echo "$root"
    exit 0
fi
[ "$(id -u)" = 0 ] || { echo "setup_blender.sh needs root, for debootstrap and chroot" >&2; exit 1; }
command -v debootstrap >/dev/null || insist debootstrap-install install_debootstrap
mirror=${DEBIAN_MIRROR:-$(find_mirror)}
[ -e "$base" ] || insist debian make_debian
cp /etc/resolv.conf /etc/hosts "$root/etc/"
insist blender install_blender
rm -rf "$root"/var/lib/apt/lists/*
mkdir -p "$root/photos"

version=$(in_root blender --background --factory-startup --python-expr \
    'import bpy, sys; print("READY Blender", bpy.app.version_string, "Python", sys.version.split()[0])' 2>/dev/null |
    sed -n 's/^READY //p')
[ -n "$version" ] || { echo "Blender does not start in $root" >&2; exit 1; }
echo "$version" >"$stamp"
say "$version, $(du -sxm "$root" | cut -f1) MB"
echo "$root"
