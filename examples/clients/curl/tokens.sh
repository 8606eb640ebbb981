#!/usr/bin/env bash
# Tokens, with curl alone, beside a `countersign dev`. Prints what it runs and what is answered.
set -euo pipefail
SERVER=${AUTH_SERVER:-http://127.0.0.1:8000}
folder=$(mktemp -d)
cd "$folder"
# What is answered, and then its status.
curl() { command curl --silent --show-error --write-out '%{stderr}\n%{http_code}\n' "$@"; }
exec 2>&1
set -v

# An account. It is in a file, because everybody on the machine can read a command line.
echo '{"email":"me@example.com","password":"four unrelated gravel words"}' > account.json
curl "$SERVER/register" --json @account.json

# A login: a token for ten minutes, and a refresh token for the next one.
curl "$SERVER/login" --json @account.json > tokens.json
field() { grep -o "\"$1\":\"[^\"]*\"" tokens.json | cut -d '"' -f 4; }
TOKEN=$(field access_token)
echo "Authorization: Bearer $TOKEN" > bearer

# A post, and all posts.
curl "$SERVER/posts" -H @bearer --json '{"title":"Hello","content":"My first post"}'
curl "$SERVER/posts" -H @bearer

# The same token with other roles in it: the signature no longer fits.
ALTERED=$(echo '{"roles":["admin","user"]}' | base64 | tr -d '=\n')
echo "Authorization: Bearer ${TOKEN%%.*}.$ALTERED.${TOKEN##*.}" > altered
curl "$SERVER/posts" -H @altered

# Another ten minutes. The refresh token is replaced, too.
echo "{\"refresh_token\":\"$(field refresh_token)\"}" > refresh.json
curl "$SERVER/refresh" --json @refresh.json > tokens.json
echo "Authorization: Bearer $(field access_token)" > bearer
curl "$SERVER/me" -H @bearer

# The end: neither token is good from now on.
curl -X POST "$SERVER/logout" -H @bearer
curl "$SERVER/posts" -H @bearer
echo "{\"refresh_token\":\"$(field refresh_token)\"}" > refresh.json
curl "$SERVER/refresh" --json @refresh.json

# Nothing is left behind.
cd / && rm -r "$folder"
