#!/usr/bin/env bash
# make demo: everything up, one site calibrated, everything down again; says how long each part took.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
catena=.venv/bin/catena

site=deploy/sites/generated.yaml
if [[ -n "${CATENA_DATA:-}" && -d "$CATENA_DATA/elm_calibration" ]]; then
  site=deploy/sites/us-moz.yaml
fi

took() { printf '%-22s %s s\n' "$1" "$(( $(date +%s) - $2 ))"; }

begin=$(date +%s)
trap '"$catena" down' EXIT
"$catena" up
up=$(took "start-up" "$begin")

flow_begin=$(date +%s)
"$catena" flow run calibrate_site --config "$site"
flow=$(took "flow calibrate_site" "$flow_begin")

echo
printf '%s\n' "$up" "$flow"
took "both, after setup" "$begin"
