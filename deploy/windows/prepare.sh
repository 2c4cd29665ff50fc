#!/usr/bin/env bash
# Puts the committed code that the guest needs into oem/novosky.zip.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
cd "$here/../.."
if [ ! -f "$here/oem/settings.psd1" ]; then
  echo "prepare: copy oem/settings.psd1.example to oem/settings.psd1 and fill it in" >&2
  exit 2
fi
git archive --format=zip -o "$here/oem/novosky.zip" HEAD broker market mt5api deploy
mkdir -p "$here/storage"
echo "prepare: oem/novosky.zip is $(git rev-parse --short HEAD); next: docker compose up -d"
