#!/bin/sh
# The image of SeaweedFS' makers adds these options: as many volumes as the disk has room for, of a GiB each.
set -eu
shift
exec weed -logtostderr=true server -volume.max=0 -master.volumeSizeLimitMB=1024 "$@"
