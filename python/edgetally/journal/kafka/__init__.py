"""The journal in Kafka: one topic, which many processes append to and read."""
