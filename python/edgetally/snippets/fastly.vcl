# Fastly VCL: a VCL snippet for each of five subroutines, and a logging endpoint that streams the log over HTTPS
#
# Written from Fastly's documentation, not tested with a service.
#
# 1. Create an HTTPS logging endpoint, in the web interface or with the API:
#
#        Name         edgetally
#        URL          https://edgetally.example/ingest        FILL IN: edgetally, with a certificate that Fastly trusts
#        Header       Fastly-Key: TOKEN                       FILL IN: an edgetally token that may push
#        Method       POST
#        Message type Blank
#        JSON log entry format  Newline delimited
#        Placement    None (the snippet below logs)
#
#    edgetally answers Fastly's challenge. Fastly pushes every few seconds: with `edgetally serve --aggregate-delay 10`,
#    fewer lines count in a later second than their own.
#
# 2. Create a VCL snippet from each of these parts. With custom VCL, put them into its subroutines.

# --- within vcl_miss, and the same within vcl_pass -------------------------------------------------------------------
set req.http.X-Edgetally-Asked = time.elapsed.usec;

# --- within vcl_fetch ------------------------------------------------------------------------------------------------
# Only vcl_fetch knows what an origin did. It may run on another machine, and reaches vcl_deliver in headers only.
declare local var.edgetally_us INTEGER;
set var.edgetally_us = std.atoi(time.elapsed.usec);
set var.edgetally_us -= std.atoi(req.http.X-Edgetally-Asked);
set beresp.http.X-Edgetally-Origin = beresp.backend.name;
set beresp.http.X-Edgetally-Origin-Ip = beresp.backend.ip;
set beresp.http.X-Edgetally-Origin-Status = beresp.status;
set beresp.http.X-Edgetally-Origin-Ttfb = var.edgetally_us "e-3"; # microseconds to milliseconds

# --- within vcl_deliver ----------------------------------------------------------------------------------------------
unset req.http.X-Edgetally-Origin;
unset req.http.X-Edgetally-Origin-Ip;
unset req.http.X-Edgetally-Origin-Status;
unset req.http.X-Edgetally-Origin-Ttfb;
# A response from the cache has the headers of the fetch that filled it.
if (fastly_info.state !~ "^HIT($|-)") {
  set req.http.X-Edgetally-Origin = resp.http.X-Edgetally-Origin;
  set req.http.X-Edgetally-Origin-Ip = resp.http.X-Edgetally-Origin-Ip;
  set req.http.X-Edgetally-Origin-Status = resp.http.X-Edgetally-Origin-Status;
  set req.http.X-Edgetally-Origin-Ttfb = resp.http.X-Edgetally-Origin-Ttfb;
}
unset resp.http.X-Edgetally-Origin;
unset resp.http.X-Edgetally-Origin-Ip;
unset resp.http.X-Edgetally-Origin-Status;
unset resp.http.X-Edgetally-Origin-Ttfb;

# --- within vcl_log --------------------------------------------------------------------------------------------------
# A request from another POP of this service does not count as an end user's, and a request to a shield does not count
# as a fetch from an origin.
log {"syslog "} req.service_id {" edgetally :: "}
  {"{"ts":""} time.end.usec
  {"","service_id":""} req.service_id
  {"","pop":""} server.datacenter
  {"","domain":""} json.escape(if(req.http.Fastly-Orig-Host, req.http.Fastly-Orig-Host, req.http.Host))
  {"","edge":""} if(fastly.ff.visits_this_service == 0, "1", "0")
  {"","status":""} resp.status
  {"","cache":""} fastly_info.state
  {"","proto":""} if(fastly_info.is_h3, "h3", if(fastly_info.is_h2, "h2", "h1"))
  {"","tls":""} if(tls.client.protocol, tls.client.protocol, "")
  {"","ipv6":""} if(req.is_ipv6, "1", "0")
  {"","edge_time_s":""} time.to_first_byte
  {"","restarts":""} req.restarts
  {"","resp_header_bytes":""} resp.header_bytes_written
  {"","resp_body_bytes":""} resp.body_bytes_written
  {"","origin":""} json.escape(if(req.http.X-Edgetally-Origin, req.http.X-Edgetally-Origin, ""))
  {"","origin_ip":""} if(req.http.X-Edgetally-Origin-Ip, req.http.X-Edgetally-Origin-Ip, "")
  {"","origin_status":""} if(req.http.X-Edgetally-Origin-Status, req.http.X-Edgetally-Origin-Status, "")
  {"","origin_ttfb_ms":""} if(req.http.X-Edgetally-Origin-Ttfb, req.http.X-Edgetally-Origin-Ttfb, "")
  {"","origin_is_shield":""} if(req.backend.is_shield, "1", "0")
  {"","bereq_header_bytes":""} bereq.header_bytes_written
  {"","bereq_body_bytes":""} bereq.body_bytes_written
  {"""} {"}"};

# What cannot be known from these logs
#
# - Sizes from origins: VCL has no variable for them. Ignore origin_offload.
# - Fetches without a response, before a restart, or to fill the cache behind a stale response.
# - The time to connect: the time to first byte starts with the request to the origin.
# - Bytes sent by a fetch on another machine of the POP, unless Fastly reports them: they count as 0.
# - Segmented caching: each segment counts as a request.
