#!/bin/sh
# First process of a node, in namespaces of its own for mounts, processes and network: when it ends, all of them end.
#
#   node-init.sh FOLDER ADDRESS GATEWAY PROGRAMS
#
# FOLDER holds the configuration, and gets what containerd, kubelet and pods write. The network card eth0 comes from outside.
set -eu
folder=$1 address=$2 gateway=$3 programs=$4

# The node's own: nothing of the machine's containerd or kubelet is seen, and nothing is left there.
mount --make-rshared /
mount --bind "$folder/lib" /var/lib
mount --bind "$folder/log" /var/log
mount -t tmpfs tmpfs /run

until ip link show eth0 >"$folder/log/link" 2>&1; do sleep 0.1; done
ip link set lo up
ip address add "$address/24" dev eth0
ip link set eth0 up
ip route add default via "$gateway"
echo 1 >/proc/sys/net/ipv4/ip_forward

containerd --config "$folder/containerd.toml" >"$folder/log/containerd.log" 2>&1 &
until [ -S /run/containerd/containerd.sock ]; do sleep 0.1; done
"$programs/kubelet" --config "$folder/kubelet.yaml" --kubeconfig "$folder/kubelet.kubeconfig" --hostname-override "$5" \
  --node-ip "$address" --node-labels "$6" >"$folder/log/kubelet.log" 2>&1 &
"$programs/kube-proxy" --config "$folder/kube-proxy.yaml" >"$folder/log/kube-proxy.log" 2>&1 &
wait
