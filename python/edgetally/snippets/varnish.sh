# Varnish 7.1 or newer: a VCL to include, and two varnishncsa that log every client's request and every fetch.
#
# Paste this into a shell that may write to the directory. It writes three files, and starts nothing.

# FILL IN: where the files go.
directory=/etc/varnish

# 1. What varnishncsa cannot find out by itself. Include it as the first thing behind `vcl 4.1;`, so that it comes before
#    what your own VCL returns or changes:
#
#        include "/etc/varnish/edgetally.vcl";
cat >"$directory/edgetally.vcl" <<'END'
import proxy;
import std;

sub vcl_recv {
    # Varnish has no TLS of its own. What ends it (hitch, HAProxy) tells the version over version 2 of the PROXY protocol.
    if (proxy.is_ssl()) {
        std.log("edgetally_tls:" + proxy.ssl_version());
    }
}

sub vcl_pipe {
    # From here on Varnish only passes bytes on: there is no status, and the fetch is logged with the request.
    std.log("edgetally_piped:1");
    std.log("edgetally_backend:" + req.backend_hint);
}

sub vcl_backend_fetch {
    # So that a connection that was refused is an attempt, too.
    std.log("edgetally_backend:" + bereq.backend);
}

sub vcl_backend_response {
    # Only a response gets here. For a backend that gave none, Varnish logs a 503 of its own.
    if (beresp.was_304) {
        std.log("edgetally_status:304");
    } else {
        std.log("edgetally_status:" + beresp.status);
    }
}
END

# 2. Two commands, one line of JSON each per request of a client (without -E: not per part of an ESI page) and per fetch.
#    FILL IN, if several services or sites end up in one edgetally: put "service_id":"…","pop":"…", behind the first brace
#    of both. Without them, they are what `edgetally serve --service-id … --pop …` says.
#    Do not add -j: it leaves out every request that Varnish could not read.
cat >"$directory/edgetally-client" <<'END'
#!/bin/sh
exec varnishncsa -c -F '{"ts":"%{VSL:Timestamp:Resp[1]}x","domain":"%{Host}i","status":"%s%{VCL_Log:edgetally_piped}x","cache":"%{Varnish:handling}x","proto":"%H","tls":"%{VCL_Log:edgetally_tls}x","req_header_bytes":"%{VSL:ReqAcct[1]}x","req_body_bytes":"%{VSL:ReqAcct[2]}x","resp_header_bytes":"%{VSL:ReqAcct[4]}x","resp_body_bytes":"%{VSL:ReqAcct[5]}x","resp_bytes":"%{VSL:PipeAcct[4]}x","origin_addr":"%{VCL_Log:edgetally_backend}x","bereq_header_bytes":"%{VSL:PipeAcct[2]}x","bereq_body_bytes":"%{VSL:PipeAcct[3]}x","beresp_bytes":"%{VSL:PipeAcct[4]}x"}' "$@"
END
cat >"$directory/edgetally-backend" <<'END'
#!/bin/sh
exec varnishncsa -b -q '(BackendOpen and Begin[3] ne "pipe") or FetchError ~ "fail errno [1-9]" or BereqAcct[3] > 0' -F '{"ts":"%{VSL:Timestamp:BerespBody[1]}x","domain":"%{VSL:BereqHeader:Host}x","origin":"%{VSL:BackendOpen[2]}x","origin_ip":"%{VSL:BackendOpen[3]}x","origin_addr":"%{VCL_Log:edgetally_backend}x","origin_status":"%{VCL_Log:edgetally_status}x","bereq_header_bytes":"%{VSL:BereqAcct[1]}x","bereq_body_bytes":"%{VSL:BereqAcct[2]}x","beresp_header_bytes":"%{VSL:BereqAcct[4]}x","beresp_body_bytes":"%{VSL:BereqAcct[5]}x","origin_ttfb_s":"%{VSL:Timestamp:Beresp[3]}x"}' "$@"
END
chmod 755 "$directory/edgetally-client" "$directory/edgetally-backend"

# 3. How to ship it. Both commands must run, as services that are started again when they end. By files, which are
#    rotated by renaming them and SIGHUP:
#
#        /etc/varnish/edgetally-client -D -P /run/edgetally-client.pid -a -w /var/log/varnish/edgetally-client.log
#        /etc/varnish/edgetally-backend -D -P /run/edgetally-backend.pid -a -w /var/log/varnish/edgetally-backend.log
#        edgetally serve --follow /var/log/varnish/edgetally-client.log --follow /var/log/varnish/edgetally-backend.log
#
#    By syslog, over TCP or UDP:
#
#        edgetally serve --syslog tcp:127.0.0.1:5514
#        /etc/varnish/edgetally-client | logger --server 127.0.0.1 --port 5514 --tcp --octet-count --rfc5424 --size 65000 -t varnish
#        /etc/varnish/edgetally-backend | logger --server 127.0.0.1 --port 5514 --tcp --octet-count --rfc5424 --size 65000 -t varnish
#
#        edgetally serve --syslog udp:127.0.0.1:5514
#        /etc/varnish/edgetally-client | logger --server 127.0.0.1 --port 5514 --udp --rfc5424 --size 65000 -t varnish
#        /etc/varnish/edgetally-backend | logger --server 127.0.0.1 --port 5514 --udp --rfc5424 --size 65000 -t varnish

# What cannot be known from these logs:
# - Whether a client left before it had everything: its status is the one that Varnish wanted to send, and the bytes are
#   those that it gave to the kernel.
# - The framing of chunks: bodies count without it, but those that are sent to origins.
# - How the bytes of a fetch that was tried again divide among the tries: the last one has them all, so they are right for
#   the domain, but the last origin gets those of all. A last try that was not made then counts as a fetch.
# - The status of what is piped, and of its origin. All that comes back counts as header.
# - TLS, unless it is told over the PROXY protocol.
# - The first rounds of a request that VCL restarts: what the client gets is logged once, in the end.
# - The time to connect: the time to the first byte begins when the request has been sent.
# - The status of an origin that answers 103: Varnish takes it for a failure.
# The domain is the Host as vcl_recv leaves it. Set bereq.http.host in vcl_backend_fetch, not req.http.host, if origins
# need another one.
