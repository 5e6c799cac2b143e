# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Servers that people run, set up to be asked by probes; all of it in the current
# directory.

# present TEST PROGRAM: else TEST is skipped.
present() {
    command -v "$2" >/dev/null || {
        echo "skip $1: $2 is not installed"
        return 1
    }
}

stamp() {
    date -u -d "$1" +%y%m%d%H%M%SZ
}

# Of one authority, ca.pem, for good.test: good.pem for 57 days more, soon.pem for 9, and
# old.pem, three days over.
certificates() {
    local key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes) name from to

    cat >ca.conf <<-END
	[ca]
	default_ca = own
	[own]
	database = index
	serial = serial
	new_certs_dir = .
	default_md = sha256
	policy = any
	copy_extensions = copy
	unique_subject = no
	[any]
	commonName = supplied
	END
    : >index
    echo 01 >serial
    openssl req -x509 "${key[@]}" -keyout ca.key -out ca.pem -subj "/CN=Weir test" -days 365 2>openssl.log
    while read -r name from to; do
        openssl req "${key[@]}" -keyout "$name.key" -out "$name.csr" -subj /CN=good.test \
            -addext subjectAltName=DNS:good.test 2>>openssl.log
        openssl ca -batch -notext -config ca.conf -cert ca.pem -keyfile ca.key -in "$name.csr" \
            -out "$name.pem" -startdate "$(stamp "${from//_/ }")" -enddate "$(stamp "${to//_/ }")" 2>>openssl.log
    done <<-END
	good -1_day +57_days_1_hour
	old -10_days -3_days_-1_hour
	soon -1_day +9_days_1_hour
	END
}

# A whole configuration of nginx, its pid in nginx.pid; the servers are standard input.
nginx_conf() {
    cat <<-END
	daemon off;
	master_process off;
	user root;
	pid $PWD/nginx.pid;
	error_log $PWD/nginx.err;
	events { }
	http {
	    access_log off;
	    client_body_temp_path $PWD/t1;
	    proxy_temp_path $PWD/t2;
	    fastcgi_temp_path $PWD/t3;
	    uwsgi_temp_path $PWD/t4;
	    scgi_temp_path $PWD/t5;
	    $(cat)
	}
	END
}

# unbound_conf ADDRESS FROM: the zone test., with the lines that are standard input.
unbound_conf() {
    cat <<-END
	server:
	    directory: ""
	    chroot: ""
	    username: ""
	    pidfile: ""
	    interface: $1
	    access-control: $2 allow
	    local-zone: "test." static
	$(cat)
	remote-control:
	    control-enable: no
	END
}

# turnserver_at ADDRESS: its command into TURNSERVER.
# shellcheck disable=SC2034 # for those who source this file
turnserver_at() {
    TURNSERVER=(turnserver -n --no-cli --no-tls --no-dtls "--listening-ip=$1" "--relay-ip=$1"
        "--pidfile=$PWD/turn.pid" --log-file=stdout --no-auth "--db=$PWD/turn.db")
}
