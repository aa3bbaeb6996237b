// Package brokers runs real brokers other than Mosquitto for a test: NATS (its server's MQTT), aedes and RabbitMQ. None of them speaks MQTT 5
// in the version that is run.
//
// NATS is built from the Go modules that testdata/nats pins, aedes is the npm package of testdata/npm, RabbitMQ is Debian's. Each has
// ports and files of its own, and ends with the test.
package brokers
