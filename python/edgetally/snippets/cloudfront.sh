# CloudFront: real-time logs through a Kinesis data stream, and a Lambda function that pushes them
#
# Written from Amazon's documentation, not tested with a distribution. It needs the AWS CLI and two existing roles: one
# with which CloudFront may write to the stream, and one with which the function may read from it.

# FILL IN: these roles, the address of edgetally, with a certificate that Python trusts, and an edgetally token that may
# push. `shop` is the service to count under.
cloudfront_role=arn:aws:iam::111122223333:role/cloudfront-realtime
lambda_role=arn:aws:iam::111122223333:role/edgetally-push
destination='https://edgetally.example/ingest/shop?format=cloudfront'
token=

export AWS_REGION=us-east-1
aws kinesis create-stream --stream-name edgetally
aws kinesis wait stream-exists --stream-name edgetally
stream=$(aws kinesis describe-stream-summary --stream-name edgetally \
    --query StreamDescriptionSummary.StreamARN --output text)

# The fields that edgetally expects, in CloudFront's order. For other fields, name them in the format:
# docs/edges/cloudfront.md. With a sampling rate of 10 (percent), add &weight=10 to the destination. Attach the
# configuration that this command creates to the cache behaviors of your distributions.
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

# What cannot be known from these logs
#
# - Origins: there are no names, addresses, statuses, sizes or latencies. With the field r-host, there are
#   origin_fetches.
# - Where the header of a response without a Content-Length ends: all of it counts as header.
# - Interrupted bodies: of what was sent, as much as the Content-Length counts as body.
# - The service: a line names its distribution only. Give each distribution its own stream and function.
# - Requests that CloudFront does not log: its real-time logs are best effort.
