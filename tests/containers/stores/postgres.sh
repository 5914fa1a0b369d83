#!/bin/sh
# What the image of PostgreSQL's makers does with the variables that docker-compose.yml gives it.
set -eu
data=/var/lib/postgresql/data
if [ "$(id -u)" = 0 ]; then
    chown postgres: "$data" && chmod 700 "$data"
    install -d -o postgres -g postgres /var/run/postgresql
    exec setpriv --reuid postgres --regid postgres --init-groups "$0" "$@"
fi
if [ ! -s "$data/PG_VERSION" ]; then
    initdb --pgdata "$data" --username "$POSTGRES_USER" --pwfile "$POSTGRES_PASSWORD_FILE" \
        --auth-local trust --auth-host scram-sha-256 --encoding UTF8 >/dev/null
    echo "host all all all scram-sha-256" >>"$data/pg_hba.conf"
    pg_ctl --pgdata "$data" --wait --options "-c listen_addresses=''" start >/dev/null
    createdb --username "$POSTGRES_USER" --host /var/run/postgresql "$POSTGRES_DB"
    pg_ctl --pgdata "$data" --wait stop >/dev/null
fi
exec postgres -D "$data" -c "listen_addresses=*"
