#!/usr/bin/env bash
# Runs a command beside a Slurm of its own: slurm-local.sh COMMAND [ARGUMENT...]
#
# One node with two pretended graphics cards, on this machine, for as long as the command runs. Everything lives in
# private mount and process namespaces: folders of the system (/etc/slurm, /run) are covered by private ones, and every
# process that is left dies with the namespace. No other Slurm is touched, and only Debian's packages stay behind.
set -euo pipefail

stop() {
  echo "slurm-local: $*" >&2
  exit 1
}

install_missing() {
  local program missing=() packages=(slurmctld slurmd slurm-client munge) policy=/usr/sbin/policy-rc.d
  for program in slurmctld slurmd sinfo munged; do
    PATH="$PATH:/usr/sbin:/sbin" command -v "$program" > /dev/null || missing+=("$program")
  done
  [ ${#missing[@]} -eq 0 ] && return
  command -v apt-get > /dev/null ||
    stop "${missing[*]} missing and no apt-get; install Slurm's controller, node daemon and client, and munge."
  echo "slurm-local: installing ${packages[*]}" >&2
  # No package may start a service here: a private one is started below. A policy that was there before stays.
  if [ ! -e "$policy" ]; then
    trap "rm -f $policy" EXIT
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod +x "$policy"
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y -qq --no-install-recommends "${packages[@]}" > /dev/null 2>&1 ||
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${packages[@]}"; } > /dev/null 2>&1 ||
    stop "apt-get could not install ${packages[*]}; try it by hand to see why."
  if [ -n "$(trap -p EXIT)" ]; then
    rm -f "$policy"
    trap - EXIT
  fi
}

if [ -z "${SLURM_LOCAL_HOME:-}" ]; then
  [ $# -gt 0 ] || stop "no command given; expected slurm-local.sh COMMAND [ARGUMENT...]."
  [ "$(id -u)" -eq 0 ] || stop "needs root, for private mounts and Debian's packages: use a container, or sudo."
  unshare --mount --pid --fork --mount-proc true 2> /dev/null ||
    stop "this machine grants no private namespaces (unshare --mount --pid); a container needs the right to mount."
  install_missing
  home=$(mktemp -d)
  status=0
  SLURM_LOCAL_HOME=$home unshare --mount --pid --fork --kill-child --mount-proc -- "$0" "$@" &
  inside=$!
  # Asked to stop: the first process of the namespace is killed, the kernel ends all others, and only then unshare ends.
  trap 'pkill -KILL -P "$inside" || true' INT TERM HUP
  wait "$inside" || status=$?
  wait "$inside" 2> /dev/null || true # again, if it was a signal that ended the first waiting
  rm -rf "$home"
  exit "$status"
fi

# From here on in the private namespaces.
home=$SLURM_LOCAL_HOME
command_path=$PATH
unset SLURM_LOCAL_HOME SLURM_CONF
PATH="$PATH:/usr/sbin:/sbin"
mount -n -t tmpfs -o mode=755 tmpfs /run # munge's socket and the daemons' numbers
mkdir -p "$home"/{etc,log,state,node} /run/munge /run/slurm /run/lock
mount -n --bind "$home/etc" /etc/slurm

host=$(hostname -s)
free_ports='import socket; free = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(one.getsockname()[1] for one in free))'
read -r port_controller port_node < <(python3 -c "$free_ports")
# The node claims more cores and memory than there are, so that the rules' own requests fit.
# Finished jobs stay listed for an hour, because without accounting squeue is asked for them.
cat > /etc/slurm/slurm.conf << END
ClusterName=labeldropout
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port_controller
SlurmdPort=$port_node
SlurmUser=root
AuthType=auth/munge
StateSaveLocation=$home/state
SlurmdSpoolDir=$home/node
SlurmctldPidFile=/run/slurm/slurmctld.pid
SlurmdPidFile=/run/slurm/slurmd.pid
SlurmctldLogFile=$home/log/slurmctld.log
SlurmdLogFile=$home/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MinJobAge=3600
GresTypes=gpu
NodeName=$host NodeAddr=127.0.0.1 CPUs=16 RealMemory=64000 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
ln -s /dev/null /etc/slurm/card0
ln -s /dev/zero /etc/slurm/card1
echo 'Name=gpu File=/etc/slurm/card[0-1]' > /etc/slurm/gres.conf

head -c 128 /dev/urandom > "$home/munge.key"
chmod 600 "$home/munge.key"
munged --key-file="$home/munge.key" --log-file="$home/log/munged.log" --seed-file="$home/munge.seed"
slurmctld
slurmd
for _ in $(seq 60); do
  [ "$(sinfo -h -o %t 2> /dev/null)" = idle ] && ready=yes && break
  sleep 0.5
done
if [ "${ready:-}" != yes ]; then
  tail -n 20 "$home"/log/*.log >&2
  stop "the node did not become idle within 30 s; the daemons' last words are above."
fi
PATH=$command_path "$@"
