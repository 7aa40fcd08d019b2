# Varnish 7.1 or newer: a VCL to include, and two varnishncsa that log every client's request and every fetch.
#
# Run this in a shell that may write to the directory. It writes three files and starts nothing.

# FILL IN: the directory for the files.
directory=/etc/varnish

# 1. VCL that logs what varnishncsa cannot know. Include it first, after `vcl 4.1;`, so that it runs before your own VCL
#    returns or changes anything:
#
#        include "/etc/varnish/edgetally.vcl";
cat >"$directory/edgetally.vcl" <<'END'
import proxy;
import std;

sub vcl_recv {
    # Varnish does not speak TLS. The TLS terminator (hitch, HAProxy) sends the version with PROXY protocol version 2.
    if (proxy.is_ssl()) {
        std.log("edgetally_tls:" + proxy.ssl_version());
    }
    if (req.restarts > 0) {
        std.log("edgetally_restarts:" + req.restarts);
    }
}

sub vcl_pipe {
    # Varnish only passes on bytes from here on: there is no status, and the fetch is logged with the request.
    std.log("edgetally_piped:1");
    std.log("edgetally_backend:" + req.backend_hint);
}

sub vcl_backend_fetch {
    # A refused connection counts as an attempt, too.
    std.log("edgetally_backend:" + bereq.backend);
}

sub vcl_backend_response {
    # Only responses get here. Without one, Varnish logs a 503 of its own.
    if (beresp.was_304) {
        std.log("edgetally_status:304");
    } else {
        std.log("edgetally_status:" + beresp.status);
    }
}
END

# 2. Two commands: one line of JSON per client request (without -E: not per ESI fragment), and one per fetch.
#    FILL IN if several services or sites log to one edgetally: insert "service_id":"…","pop":"…", after the first brace
#    of both. Otherwise the defaults set by `edgetally serve --service-id … --pop …` hold.
#    Do not add -j: it leaves out every request that Varnish could not parse.
cat >"$directory/edgetally-client" <<'END'
#!/bin/sh
exec varnishncsa -c -F '{"ts":"%{VSL:Timestamp:Resp[1]}x","domain":"%{Host}i","status":"%s%{VCL_Log:edgetally_piped}x","cache":"%{Varnish:handling}x","proto":"%H","tls":"%{VCL_Log:edgetally_tls}x","ipv6":"%h","edge_time_s":"%{Varnish:time_firstbyte}x","restarts":"%{VCL_Log:edgetally_restarts}x","req_header_bytes":"%{VSL:ReqAcct[1]}x","req_body_bytes":"%{VSL:ReqAcct[2]}x","resp_header_bytes":"%{VSL:ReqAcct[4]}x","resp_body_bytes":"%{VSL:ReqAcct[5]}x","resp_bytes":"%{VSL:PipeAcct[4]}x","origin_addr":"%{VCL_Log:edgetally_backend}x","bereq_header_bytes":"%{VSL:PipeAcct[2]}x","bereq_body_bytes":"%{VSL:PipeAcct[3]}x","beresp_bytes":"%{VSL:PipeAcct[4]}x"}' "$@"
END
cat >"$directory/edgetally-backend" <<'END'
#!/bin/sh
exec varnishncsa -b -q '(BackendOpen and Begin[3] ne "pipe") or FetchError ~ "fail errno [1-9]" or BereqAcct[3] > 0' -F '{"ts":"%{VSL:Timestamp:BerespBody[1]}x","domain":"%{VSL:BereqHeader:Host}x","origin":"%{VSL:BackendOpen[2]}x","origin_ip":"%{VSL:BackendOpen[3]}x","origin_addr":"%{VCL_Log:edgetally_backend}x","origin_status":"%{VCL_Log:edgetally_status}x","bereq_header_bytes":"%{VSL:BereqAcct[1]}x","bereq_body_bytes":"%{VSL:BereqAcct[2]}x","beresp_header_bytes":"%{VSL:BereqAcct[4]}x","beresp_body_bytes":"%{VSL:BereqAcct[5]}x","origin_ttfb_s":"%{VSL:Timestamp:Beresp[3]}x"}' "$@"
END
chmod 755 "$directory/edgetally-client" "$directory/edgetally-backend"

# 3. Run both commands, as services that restart when they end. To files, which you rotate by renaming them and SIGHUP:
#
#        /etc/varnish/edgetally-client -D -P /run/edgetally-client.pid -a -w /var/log/varnish/edgetally-client.log
#        /etc/varnish/edgetally-backend -D -P /run/edgetally-backend.pid -a -w /var/log/varnish/edgetally-backend.log
#        edgetally serve --follow /var/log/varnish/edgetally-client.log --follow /var/log/varnish/edgetally-backend.log
#
#    To syslog, over TCP or UDP:
#
#        edgetally serve --syslog tcp:127.0.0.1:5514
#        /etc/varnish/edgetally-client | logger --server 127.0.0.1 --port 5514 --tcp --octet-count --rfc5424 --size 65000 -t varnish
#        /etc/varnish/edgetally-backend | logger --server 127.0.0.1 --port 5514 --tcp --octet-count --rfc5424 --size 65000 -t varnish
#
#        edgetally serve --syslog udp:127.0.0.1:5514
#        /etc/varnish/edgetally-client | logger --server 127.0.0.1 --port 5514 --udp --rfc5424 --size 65000 -t varnish
#        /etc/varnish/edgetally-backend | logger --server 127.0.0.1 --port 5514 --udp --rfc5424 --size 65000 -t varnish

# What cannot be known from these logs
#
# - Whether a client left early: the status is the one that Varnish wanted to send; bytes count once the kernel took
#   them.
# - Chunked framing: it counts only in bodies sent to origins.
# - Bytes of each try: the last one has those of all, which is right for the domain, but too much for the last origin. A
#   last try that was not made counts as a fetch.
# - The status of piped requests and of their origin. All that comes back counts as header.
# - TLS, unless the PROXY protocol sends it.
# - The first rounds of a restarted request: what the client got is logged once.
# - The time to connect: the time to first byte starts when the request has been sent.
# - The status of an origin that responds 103: Varnish takes it for a failure.
# - The client's host, if vcl_recv changes it. To send origins another Host, set bereq.http.host in vcl_backend_fetch.
