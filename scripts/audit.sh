#!/usr/bin/env bash
# Looks for known faults in the packages that are installed:  scripts/audit.sh VENV
#
# Status 0: the database of advisories knows of none. 1: it knows of some, which are listed. 2: it cannot be reached, and
# nothing is proven. This project itself is left out: it is installed from its folder.
set -euo pipefail
bin=$1/bin

if said=$("$bin/pip-audit" --skip-editable --progress-spinner off 2>&1); then
    echo "pip-audit: no known faults in the packages that are installed"
elif grep -q "^Found [0-9]* known vulnerabilit" <<<"$said"; then
    printf '%s\n' "$said" >&2
    exit 1
else
    last=$(tail -n 1 <<<"$said")
    echo "pip-audit: could not be run, since the advisories of pypi.org cannot be had here (${last:0:160}); nothing is proven" >&2
    exit 2
fi
