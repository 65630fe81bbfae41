#!/bin/bash
# Install an editor of some Debian suite into a folder of its own:
#     install_from_debian.sh FOLDER SUITE PACKAGE PROGRAM [ANOTHER PACKAGE]...
# The system stays as it is; no root rights are used. Needs apt, dpkg and curl's certificates, as any
# Debian has. Prints the program's path on its last line.
set -euo pipefail

[ $# -ge 4 ] || { echo "usage: $0 FOLDER SUITE PACKAGE PROGRAM [PACKAGE]..." >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
suite=$2 package=$3
root=$folder/root
program=$root/usr/bin/$4
shift 4
if [ -x "$program" ]; then echo "$program"; exit 0; fi

# The mirror that this system uses for its own packages.
mirror=$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null |
    grep -v security | head -n 1 | tr -d ' ') || true
[ -n "$mirror" ] || { echo "no Debian mirror in /etc/apt; install $package yourself" >&2; exit 1; }

apt=$folder/apt
mkdir -p "$root" "$apt"/etc/apt/{apt.conf.d,preferences.d} "$apt"/var/lib/{dpkg,apt/lists/partial} \
    "$apt"/var/cache/apt/archives/partial
: > "$apt/var/lib/dpkg/status" # as if nothing were installed: libraries come along
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" \
    > "$apt/etc/apt/sources.list"
cat > "$folder/apt.conf" <<CONF
Dir "$apt";
Dir::State::status "$apt/var/lib/dpkg/status";
APT::Architecture "$(dpkg --print-architecture)";
APT::Sandbox::User "";
Acquire::Languages "none";
# A mirror's copy of a moving suite may be past its date. Signatures are still checked.
Acquire::Check-Valid-Until "false";
CONF
export APT_CONFIG=$folder/apt.conf
apt-get -qq update >&2
apt-get -qq -y --no-install-recommends --download-only install "$package" "$@" patchelf >&2
for archive in "$apt"/var/cache/apt/archives/*.deb; do dpkg-deb --extract "$archive" "$root"; done

# The program must find the libraries that came along, and not the system's older ones. patchelf
# itself needs them too, so it is started through their loader.
libraries=$(dirname "$(find "$root/usr/lib" -name 'libc.so.6' | head -n 1)")
loader=$(find "$libraries" -maxdepth 1 -name 'ld-linux*.so.*' | head -n 1)
"$loader" --library-path "$libraries" "$root/usr/bin/patchelf" \
    --set-interpreter "$loader" --force-rpath --set-rpath "$libraries" "$program"
echo "$program"
