//! Apache Kafka, one broker or three.
