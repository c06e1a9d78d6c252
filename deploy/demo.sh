#!/usr/bin/env bash
# Everything up, one flow run, everything down again; says how long each part took.
# Usage: deploy/demo.sh FLOW FOLDER_OF_DATA FILE_WITH_DATA FILE_WITHOUT
# FILE_WITH_DATA is run where CATENA_DATA has FOLDER_OF_DATA, otherwise FILE_WITHOUT.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
catena=.venv/bin/catena
flow=$1 needed=$2 config=$3

if [[ -z "${CATENA_DATA:-}" || ! -d "$CATENA_DATA/$needed" ]]; then
  config=$4
fi

took() { printf '%-22s %s s\n' "$1" "$(( $(date +%s) - $2 ))"; }

begin=$(date +%s)
trap '"$catena" down' EXIT
"$catena" up
up=$(took "start-up" "$begin")

flow_begin=$(date +%s)
"$catena" flow run "$flow" --config "$config"
ran=$(took "flow $flow" "$flow_begin")

echo
printf '%s\n' "$up" "$ran"
took "both, after setup" "$begin"
