# What scripts/operator checks, a function for each. It is sourced there, and runs each as `check` says: to its first command that
# fails. `seen` puts a line into the summary.
# shellcheck shell=bash disable=SC2016,SC2154

# --- The guide, from the package to the first administrator

install_it() {
    local whose
    follow production.md 'apt install ./target/package'
    same 'after the installation' "$(inside systemctl is-active countersign)" inactive
    same 'at the next boot' "$(inside systemctl is-enabled countersign)" disabled
    whose=$(inside stat -c '%U:%G %a' /etc/countersign /etc/countersign/countersign.toml /var/lib/countersign)
    same 'the folders' "$whose" $'root:countersign 750\ncountersign:countersign 600\ncountersign:countersign 700'
    seen "$(inside dpkg-query -W countersign | tr '\t' ' '), not started"
}

database() {
    follow operate.md createuser 'new role: ' "$database_password" 'it again: ' "$database_password"
    seen "$(inside psql --version | cut -d' ' -f3)"
}

settings() {
    follow production.md sudoedit
    same 'the settings' "$(inside stat -c '%U:%G %a' /etc/countersign/countersign.toml)" 'countersign:countersign 600'
}

start() {
    follow production.md 'enable --now' | tee "$scratch/typed"
    grep -q 'listening on' "$scratch/typed"
    same Type "$(property Type)" notify
    same state "$(property ActiveState)/$(property SubState)" active/running
    same 'at the next boot' "$(inside systemctl is-enabled countersign)" enabled
    seen "systemd says: $(property StatusText)"
}

first_administrator() {
    local token status
    token=$(inside journalctl -u countersign -o cat | sed -n 's/.*claim?token=\([^ ]*\).*/\1/p' | tail -n 1)
    [[ -n $token ]] || { echo "no link is in the journal" && return 1; }
    follow production.md 'user add' 'Password: ' "$password" 'again: ' "$password"
    status=$(status_of /admin/claim \
        --json "{\"token\": \"$token\", \"email\": \"thief@example.com\", \"password\": \"four unrelated gravel words\"}")
    same 'the link of the first start' "$status" 400
    log_in | grep -q access_token
    seen "the link of the first start is void"
}

commands() {
    local failures
    follow production.md countersign-here
    failures=$(as_server doctor --json | sed 's/.*"failures": *\([0-9]*\).*/\1/')
    same 'failures of doctor' "$failures" 0
    as_server audit verify
}

# --- What an operator counts on

exposure() {
    local figure
    figure=$(inside systemd-analyze security --no-pager countersign | sed -n 's/.*exposure level for .*: \([0-9.]*\) .*/\1/p')
    same 'what the guide says' "$(sed -n 's/^`systemd-analyze security countersign` says \(.*\) of 10\..*/\1/p' \
        docs/guides/production.md)" "$figure"
    seen "systemd-analyze security says $figure of 10"
}

bad_settings() {
    inside sed -i 's/"ES256"/"ES257"/' /etc/countersign/countersign.toml
    refused inside systemctl restart countersign
    sleep 5
    same 'with wrong settings' "$(property ActiveState) $(property ExecMainStatus) $(property NRestarts)" 'failed 2 0'
    journal_has 'tokens.algorithm: "ES257" is no signature algorithm'
    inside sed -i 's/"ES257"/"ES256"/' /etc/countersign/countersign.toml
    inside systemctl start countersign
    seen "exit code 2, not started again, the journal says why"
}

# More often than systemd would stand by itself.
killed() {
    local process times=6 began=$SECONDS
    for _ in $(seq "$times"); do
        process=$(property MainPID)
        hit KILL "$process"
        within 20 is_new "$process"
    done
    seen "$times times, back after $(((SECONDS - began) / times)) s each"
}

hung() {
    local process began=$SECONDS
    process=$(property MainPID)
    hit STOP "$process"
    within 90 is_new "$process"
    journal_has 'Watchdog timeout'
    seen "ended by the watchdog, back after $((SECONDS - began)) s"
}

# As after a power cut, when this machine is up before the one with the database.
late_database() {
    local process
    process=$(property MainPID)
    inside systemctl stop postgresql
    refused inside systemctl restart countersign
    sleep 20
    inside systemctl start postgresql
    within 10 is_new "$process"
    seen "started when the database came 20 s late, after $(property NRestarts) tries"
}

# A drop-in of this name, that of the package, is in force until the next one is.
drop_in() {
    inside sh -euc 'cd /etc/systemd/system && rm -rf countersign.service.d && mkdir countersign.service.d
        test -z "$1" || cp "/usr/share/doc/countersign/examples/$1" countersign.service.d/
        systemctl daemon-reload && systemctl restart countersign' _ "$1"
}

# The server itself at port 443, by variables that systemd reads, and another certificate while it runs.
own_tls() {
    local process
    install_certificate
    install -m 600 /dev/stdin "$root/etc/countersign/environment" <<-END
		COUNTERSIGN_HTTP__LISTEN=$address:443
		COUNTERSIGN_HTTP__TLS_CERTIFICATE_FILE=/etc/countersign/tls.pem
		COUNTERSIGN_HTTP__TLS_PRIVATE_KEY_FILE=/etc/countersign/tls-key.pem
	END
    drop_in low-port.conf
    inside curl -sf https://auth.example.com/readyz
    process=$(property MainPID)
    shown_certificate >"$scratch/first"
    certify
    install_certificate
    inside systemctl reload countersign
    within 5 journal_has 'the certificate was read again'
    shown_certificate >"$scratch/second"
    refused cmp -s "$scratch/first" "$scratch/second"
    same 'process after the reload' "$(property MainPID) $(property ActiveState)" "$process active"
    inside rm /etc/countersign/environment
    drop_in ''
    seen "port 443 with low-port.conf, another certificate by systemctl reload"
}

install_certificate() {
    inside install -o countersign -m 644 /etc/ssl/certs/auth.example.com.pem /etc/countersign/tls.pem
    inside install -o countersign -m 600 /etc/ssl/private/auth.example.com.key /etc/countersign/tls-key.pem
}

shown_certificate() {
    inside openssl s_client -connect "$address:443" -servername auth.example.com 2>/dev/null | openssl x509 -noout -fingerprint
}

# The master key where root alone reads it, and nowhere else.
credentials() {
    local token
    token=$(log_in | member access_token)
    inside install -D -m 600 /etc/countersign/master-key /etc/credstore/countersign.master-key
    inside mv /etc/countersign/master-key /root/
    drop_in credentials.conf
    same 'with the token' "$(me "$token")" 200
    log_in | grep -q access_token
    inside runuser -u countersign -- env COUNTERSIGN_CONFIG=/etc/countersign/countersign.toml \
        COUNTERSIGN_KEYS__MASTER_KEY_FILE=/run/credentials/countersign.service/master-key countersign key list
    inside mv /root/master-key /etc/countersign/
    drop_in ''
    seen "the master key handed over by systemd, with credentials.conf"
}

upgrade() {
    local process token refresh
    process=$(property MainPID)
    log_in >"$scratch/before"
    token=$(member access_token <"$scratch/before")
    refresh=$(member refresh_token <"$scratch/before")
    same 'with the token' "$(me "$token")" 200
    follow production.md countersign_NEW '[default=N] ?' N
    inside dpkg-query -W countersign | grep -F +upgrade
    is_new "$process"
    same 'with the token, after the upgrade' "$(me "$token")" 200
    inside curl -sf http://127.0.0.1:8000/refresh --json "{\"refresh_token\": \"$refresh\"}" | tee -a "$scratch/logins" |
        grep -q access_token
    inside cmp /srv/operator/countersign.toml /etc/countersign/countersign.toml
    inside grep -q 'Of a later version' /etc/countersign/countersign.toml.dpkg-dist
    same 'the settings' "$(inside stat -c '%U:%G %a' /etc/countersign/countersign.toml)" 'countersign:countersign 600'
    seen "restarted, still logged in, settings kept after the question"
}

# Whoever has a token goes on without the database, and the server comes back with it.
no_database() {
    local token process
    process=$(property MainPID)
    token=$(log_in | member access_token)
    inside systemctl stop postgresql
    within 10 refused inside countersign health --url http://127.0.0.1:8000
    same 'with a token, without the database' "$(status_of /forward-auth -H "Authorization: Bearer $token")" 200
    same 'a login, without the database' "$(status_of /login --json "{\"email\": \"you@example.com\", \"password\": \"$password\"}")" 503
    inside systemctl start postgresql
    within 20 inside countersign health --url http://127.0.0.1:8000
    same process "$(property MainPID)" "$process"
    seen "tokens count, logins get 503, ready again when it is back"
}

next_boot() {
    same 'after the boot' "$(property ActiveState) $(property NRestarts)" 'active 0'
    same 'with the token of before' "$(me "$(member access_token <"$scratch/before")")" 200
    seen "started by itself after PostgreSQL, at the first try"
}

# --- Three of them behind nginx

three() {
    follow several-instances.md 'countersign@.service'
    follow several-instances.md 'conf.d/countersign.conf'
    inside systemd-run --quiet --unit=sample-api python3 /srv/operator/api.py
    as_server doctor --probe https://auth.example.com
    inside env PASSWORD="$password" python3 /srv/operator/three.py https://auth.example.com you@example.com |
        tee -a "$scratch/seen"
}

logs() {
    local secret found=0 lines
    inside journalctl --no-pager -o cat >"$scratch/journal"
    cat "$root/var/log/nginx/"*.log >>"$scratch/journal"
    {
        printf '%s\n' "$password" "$database_password" "$(cat "$root/etc/countersign/master-key")"
        grep -ohE '"(access|refresh)_token":"[^"]*' "$scratch/logins" | sed 's/.*"//'
        cat "$root/srv/operator/tokens"
    } >"$scratch/secrets"
    lines=$(wc -l <"$scratch/journal")
    while read -r secret; do
        found=$((found + 1))
        refused grep -qF -- "$secret" "$scratch/journal"
    done <"$scratch/secrets"
    ((found > 10 && lines > 100))
    seen "none of $found passwords, keys and tokens is in $lines lines of the journal and of nginx"
}

remove() {
    follow production.md 'apt remove' '[Y/n]' y
    same 'after the removal' "$(inside systemctl is-active countersign)" inactive
    inside test -e /etc/countersign/countersign.toml -a ! -e /usr/bin/countersign
    inside systemctl disable --quiet --now countersign@8001 countersign@8002
    follow production.md 'apt purge' '[Y/n]' y
    inside test ! -e /etc/countersign/countersign.toml -a -e /etc/countersign/master-key -a -d /var/lib/countersign
    inside id countersign
    seen "the keys, /var/lib/countersign and the user stay"
}

# No block that is marked for this is left out.
blocks() {
    local marked
    marked=$(grep -rh '^<!-- run by scripts/operator -->' docs | wc -l)
    same 'blocks that were typed' "$(sort -u "$scratch/followed" | wc -l)" "$marked"
    seen "$marked of the guides were typed"
}

