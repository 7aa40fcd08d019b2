# Cloudflare: a Logpush job that pushes the log of a zone over HTTPS
#
# Logpush is part of Cloudflare's Enterprise plan. It pushes about every 30 seconds, so let seconds stay open longer in
# the settings of edgetally. Later lines count, too, but in a later second:
#
#     [window]
#     aggregate_delay = 60
#
# Written from Cloudflare's documentation, not tested with a zone.

# FILL IN: the zone, a Cloudflare token that may edit its Logs, and the address of edgetally, with a certificate that
# Cloudflare trusts. `shop` is the service to count under; TOKEN is an edgetally token that may push to it.
zone_id=
cloudflare_token=
destination='https://edgetally.example/ingest/shop?format=cloudflare&header_Fastly-Key=TOKEN'

# To push a sample only, add "sample_rate":0.1 to the output_options and &weight=10 to the destination.
curl "https://api.cloudflare.com/client/v4/zones/$zone_id/logpush/jobs" \
    --header "Authorization: Bearer $cloudflare_token" --json '{
  "name": "edgetally",
  "dataset": "http_requests",
  "enabled": true,
  "destination_conf": "'"$destination"'",
  "max_upload_interval_seconds": 30,
  "output_options": {
    "output_type": "ndjson",
    "timestamp_format": "unixnano",
    "field_names": [
      "EdgeEndTimestamp", "EdgeColoCode", "ClientRequestHost", "ClientRequestSource", "ClientRequestProtocol",
      "ClientSSLProtocol", "ClientIP", "EdgeTimeToFirstByteMs", "CacheCacheStatus", "EdgeResponseStatus", "EdgeResponseBytes", "EdgeResponseBodyBytes",
      "EdgeRequestHost", "OriginIP", "OriginResponseStatus", "OriginResponseHeaderReceiveDurationMs"
    ]
  }
}'

# What cannot be known from these logs
#
# - Sizes to and from origins. Ignore origin_offload.
# - Names of origins: the host that Cloudflare requested counts.
# - Attempts before the last one, and what a Worker fetched around the cache.
# - Requests between Cloudflare's POPs: with tiered caching, only fetches from the origin count.
# - Lines that Cloudflare pushes twice, for example after a failure: they count twice.
