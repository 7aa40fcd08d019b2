# Cloudflare: a Logpush job that pushes the log of a zone over HTTPS
#
# Logpush comes with Cloudflare's Enterprise plan. It pushes every half minute or so, so say in the settings of edgetally
# how long to wait for lines. Those that come later count, too, but in a later second:
#
#     [window]
#     aggregate_delay = 60
#
# This was written by Cloudflare's documentation and never tried with a zone.

# FILL IN: the zone, a token of Cloudflare's that may edit its Logs, and where edgetally can be reached, with a
# certificate that Cloudflare trusts. `shop` is the service under which all of it counts; TOKEN is one of edgetally's that
# may push to it.
zone_id=
cloudflare_token=
destination='https://edgetally.example/ingest/shop?format=cloudflare&header_Fastly-Key=TOKEN'

# When Cloudflare is to push a sample only, add "sample_rate":0.1 to the output_options, and &weight=10 to the destination.
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
      "ClientSSLProtocol", "CacheCacheStatus", "EdgeResponseStatus", "EdgeResponseBytes", "EdgeResponseBodyBytes",
      "EdgeRequestHost", "OriginIP", "OriginResponseStatus", "OriginResponseHeaderReceiveDurationMs"
    ]
  }
}'

# What cannot be known from these logs:
# - Sizes of what was sent to origins and came from them: there are no bereq_… counters, and origin_offload says nothing.
# - The names of origins: they go by the host that Cloudflare asked them for.
# - Attempts before the last one, and what a Worker fetched without Cloudflare's cache in between.
# - What one POP of Cloudflare's asked of another: with tiered caching, a fetch is the origin's alone.
# - Lines that Cloudflare pushes twice, which it may after a failure: they count twice.
