# CloudFront: real-time logs through a Kinesis data stream, and a Lambda function that pushes them
#
# This was written by Amazon's documentation and never tried with a distribution. It needs the AWS CLI, and roles that
# exist already: one with which CloudFront may write to the stream, and one with which the function may read from it.

# FILL IN: these roles, where edgetally can be reached, with a certificate that Python trusts, and a token of edgetally's
# that may push. `shop` is the service under which all of it counts.
cloudfront_role=arn:aws:iam::111122223333:role/cloudfront-realtime
lambda_role=arn:aws:iam::111122223333:role/edgetally-push
destination='https://edgetally.example/ingest/shop?format=cloudfront'
token=

export AWS_REGION=us-east-1
aws kinesis create-stream --stream-name edgetally
aws kinesis wait stream-exists --stream-name edgetally
stream=$(aws kinesis describe-stream-summary --stream-name edgetally \
    --query StreamDescriptionSummary.StreamARN --output text)

# Which fields, in CloudFront's own order. edgetally expects these; for others, see the page on formats. With a
# sampling rate of 10 (percent), add &weight=10 to the destination. Attach the configuration that this makes to the cache
# behaviors of your distributions.
aws cloudfront create-realtime-log-config --name edgetally --sampling-rate 100 \
    --end-points "StreamType=Kinesis,KinesisStreamConfig={RoleARN=$cloudfront_role,StreamARN=$stream}" \
    --fields timestamp sc-status sc-bytes cs-method cs-host cs-bytes x-edge-location cs-protocol-version ssl-protocol \
    x-edge-result-type sc-content-len

cat >edgetally.py <<'END'
import base64
import os
import urllib.request


def push(event, context):
    lines = b"".join(base64.b64decode(record["kinesis"]["data"]) for record in event["Records"])
    headers = {"Fastly-Key": os.environ["TOKEN"]}
    urllib.request.urlopen(urllib.request.Request(os.environ["DESTINATION"], lines, headers), timeout=10).close()
END
zip edgetally.zip edgetally.py
aws lambda create-function --function-name edgetally --runtime python3.13 --handler edgetally.push \
    --role "$lambda_role" --zip-file fileb://edgetally.zip --environment "Variables={DESTINATION=$destination,TOKEN=$token}"
aws lambda create-event-source-mapping --function-name edgetally --event-source-arn "$stream" \
    --starting-position LATEST --batch-size 1000 --maximum-batching-window-in-seconds 1 --maximum-record-age-in-seconds 120

# What cannot be known from these logs:
# - Almost everything about origins: their names, addresses, statuses and sizes. So there are no origins, no latencies,
#   and no origin_… counters. (The field r-host says that an origin was asked: with it, there are origin_fetches.)
# - Where the header of a response ends that has no Content-Length: all of it counts as header.
# - What a client did not get of a body that broke off: of what was sent, as much as the Content-Length says is body.
# - The service: a line names its distribution, which is no service_id. Give each distribution a stream and a function.
# - Requests that CloudFront does not log: it calls these logs best effort.
