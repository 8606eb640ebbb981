#!/usr/bin/env bash
# A session by cookie, with curl alone, beside a `countersign dev`. Prints what it runs and what is answered.
set -euo pipefail
SERVER=${AUTH_SERVER:-http://127.0.0.1:8000}
folder=$(mktemp -d)
cd "$folder"
# What is answered, and then its status. The jar is where curl keeps cookies, as a browser does.
curl() { command curl --silent --show-error --write-out '%{stderr}\n%{http_code}\n' --cookie jar --cookie-jar jar "$@"; }
exec 2>&1
set -v

# An account, which is there if the other script has run, and a login that sets a cookie.
echo '{"email":"me@example.com","password":"four unrelated gravel words"}' > account.json
curl "$SERVER/register" --json @account.json
curl "$SERVER/login/session" --json @account.json
cut -f 6 jar | tail -n 1

# Reading takes the cookie and nothing else.
curl "$SERVER/me"

# Writing also takes the word of the browser that a page of this site asks, and not that of a stranger.
curl "$SERVER/posts" --json '{"title":"Hello","content":"My first post"}'
curl "$SERVER/posts" -H 'Origin: https://evil.example' --json '{"title":"Hello","content":"My first post"}'
curl "$SERVER/posts" -H "Origin: $SERVER" --json '{"title":"Hello","content":"My first post"}'

# The end: the cookie is taken back, and would be good for nothing.
cp jar before
curl -X POST "$SERVER/logout" -H "Origin: $SERVER"
curl --cookie before "$SERVER/me"

# Nothing is left behind.
cd / && rm -r "$folder"
