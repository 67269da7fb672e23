#!/bin/sh
# Installs what the clients of examples/clients need below the folder $1, and runs the rest of the arguments with variables that
# say where: CLIENT_<LANGUAGE>_PROGRAM and CLIENT_<LANGUAGE>_FILE.
set -eu
folder=$1
shift
root=$(cd "$(dirname "$0")/../.." && pwd)
clients=$root/examples/clients
python=${PYTHON:-python3}

missing=
"$python" -c 'import ensurepip' >/dev/null 2>&1 || missing="$missing python3-venv"
command -v node >/dev/null 2>&1 || missing="$missing nodejs"
command -v npm >/dev/null 2>&1 || missing="$missing npm"
if [ -n "$missing" ]; then
    command -v apt-get >/dev/null 2>&1 || { echo "clients: needs$missing; install them by hand" >&2; exit 1; }
    as_root=
    [ "$(id -u)" -eq 0 ] || as_root=sudo
    echo "clients: installs$missing" >&2
    $as_root apt-get update -qq >&2
    # shellcheck disable=SC2086 # one word each
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2
fi
node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' || { echo "clients: needs Node.js 18 or newer" >&2; exit 1; }

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
if ! cmp -s "$clients/python/requirements.txt" "$folder/requirements.txt"; then
    rm -rf "$folder/venv"
    "$python" -m venv "$folder/venv"
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$clients/python/requirements.txt"
    cp "$clients/python/requirements.txt" "$folder/requirements.txt"
fi
if ! cmp -s "$clients/typescript/package.json" "$folder/package.json"; then
    rm -rf "$folder/typescript"
    mkdir "$folder/typescript"
    cp "$clients/typescript/package.json" "$folder/typescript"
    npm install --prefix "$folder/typescript" --no-package-lock --no-audit --no-fund --loglevel=error >&2
    cp "$clients/typescript/package.json" "$folder/package.json"
fi
cp "$clients"/typescript/tsconfig.json "$clients"/typescript/*.ts "$folder/typescript"
(cd "$folder/typescript" && node_modules/.bin/tsc)

export CLIENT_PYTHON_PROGRAM="$folder/venv/bin/python" CLIENT_PYTHON_FILE="$clients/python/grants.py"
export CLIENT_TYPESCRIPT_PROGRAM="$(command -v node)" CLIENT_TYPESCRIPT_FILE="$folder/typescript/grants.js"
exec "$@"
