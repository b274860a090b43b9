#!/usr/bin/env bash
# Generates the clients: `generate.sh DOCUMENT TARGET` reads an OpenAPI document and writes TARGET/python and TARGET/typescript.
# The generators go into a folder of their own ($TOOLS, else a temporary one): what they need does not fit our constraints.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
document=$1 target=$2
tools=${TOOLS:-}
if [ -z "$tools" ]; then
  tools=$(mktemp -d)
  trap 'rm -rf "$tools"' EXIT
fi
fetch() { "$@" || { echo "the generators cannot be fetched; connect to the registries of Python and npm" >&2; exit 75; }; }
"${PYTHON:-python3.11}" -m venv "$tools/venv"
fetch "$tools/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/generator.txt"
fetch npm install --silent --no-audit --no-fund --prefix "$tools" openapi-typescript@7.13.0 typescript@5.9.3
# Without the examples, which say nothing of types and change with every recording, and without `security`, so that the Python
# functions take a client without a key too.
"$tools/venv/bin/python" - "$document" "$tools/openapi.json" <<'PYTHON'
import json, sys
drop = lambda found: {key: value for key, value in found.items() if key not in ("example", "security")}
with open(sys.argv[1], encoding="utf-8") as file:
    document = json.load(file, object_hook=drop)
with open(sys.argv[2], "w", encoding="utf-8") as file:
    json.dump(document, file, ensure_ascii=False)
PYTHON
rm -rf "$target/python/kefu_client"
mkdir -p "$target/python" "$target/typescript"
PATH="$tools/venv/bin:$PATH" openapi-python-client generate --path "$tools/openapi.json" --meta none --fail-on-warning \
  --config "$here/generator.yaml" --custom-template-path "$here/templates" --output-path "$target/python/kefu_client"
touch "$target/python/kefu_client/py.typed"
"$tools/node_modules/.bin/openapi-typescript" --default-non-nullable=false "$tools/openapi.json" --output "$target/typescript/kefu.d.ts"
