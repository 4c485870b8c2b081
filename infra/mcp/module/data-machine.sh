#!/bin/bash
# Attaches the disk with the databases, and joins the cluster only if it is mounted: a task on the root disk would lose its data.
set -euo pipefail
token=$(curl -sf -X PUT http://169.254.169.254/latest/api/token -H 'X-aws-ec2-metadata-token-ttl-seconds: 300')
fact() { curl -sf -H "X-aws-ec2-metadata-token: $token" "http://169.254.169.254/latest/meta-data/$1"; }
region=$(fact placement/region)
# The machine before this one may still hold the disk.
for _ in $(seq 60); do
  aws ec2 attach-volume --region "$region" --volume-id '${volume}' --instance-id "$(fact instance-id)" --device /dev/sdf && break
  sleep 5
done
disk=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_$(echo '${volume}' | tr -d -)
for _ in $(seq 60); do [ -e "$disk" ] && break; sleep 1; done
blkid "$disk" || mkfs.xfs "$disk"
mkdir -p /mcp-data
mount "$disk" /mcp-data
install -d -o 65532 -g 65532 -m 700 /mcp-data/memory /mcp-data/patterns /mcp-data/orchestrator
echo 'ECS_CLUSTER=${cluster}' >>/etc/ecs/ecs.config
