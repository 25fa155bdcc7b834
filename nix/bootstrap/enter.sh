#!/bin/sh
# enter.sh STORE UID GID COMMAND… runs a command in a root of its own, in which STORE/nix lies at /nix and all else is where
# the machine has it. Started by nixw as root of a new user and mount namespace.
#
# Nix's own way into a store in a home folder is chroot(2), and the kernel makes no user namespace for who is chrooted
# (user_namespaces(7)): no sandbox inside `nix develop`. After pivot_root(2) it does.
set -eu
store=$1 uid=$2 gid=$3 here=$PWD
shift 3

# The root is made on a file system in memory that covers /tmp until it is entered, so no folder is left anywhere.
top=/tmp
mount -t tmpfs -o mode=755,size=1m estiba "$top"
for entry in /* /.[!.]*; do
  case $entry in
    /nix | /tmp) continue ;;
  esac
  if [ -L "$entry" ]; then
    ln -s "$(readlink "$entry")" "$top$entry"
  elif [ -d "$entry" ]; then
    mkdir "$top$entry"
    mount --rbind "$entry" "$top$entry"
  elif [ -e "$entry" ]; then
    : >"$top$entry"
    mount --bind "$entry" "$top$entry"
  fi
done
mkdir "$top/nix" "$top/tmp" "$top/.machine"
mount --bind "$store/nix" "$top/nix"
cd "$top"
# An ordinary user does not have the folder of this program on PATH.
PATH=$PATH:/usr/sbin:/sbin pivot_root . .machine
mount --rbind /.machine/tmp /tmp
umount -l /.machine
rmdir /.machine
# What a program wrote beside the machine's folders would be gone with it.
mount -o remount,bind,ro /
cd "$here"
# A second namespace makes the user himself again.
exec unshare --user --map-user="$uid" --map-group="$gid" -- "$@"
