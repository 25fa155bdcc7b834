# Becomes systemd with little to do, in namespaces of its own: its units are in the folder $1, which outlives it.
set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
for folder in system system-generators user; do
  mount -t tmpfs -o mode=755 tmpfs "/usr/lib/systemd/$folder"
done
for target in system/basic system/multi-user system/network system/shutdown system/sysinit \
  user/basic user/default user/shutdown; do
  printf '[Unit]\nDefaultDependencies=no\nAllowIsolate=yes\n' >"/usr/lib/systemd/$target.target"
done
mount --bind "$1" /etc/systemd/system
umount --recursive /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec env -i container=test PATH=/usr/bin:/bin /lib/systemd/systemd --system --unit=multi-user.target --log-target=console --show-status=0
