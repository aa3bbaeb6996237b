// Package bridge joins a device to a broker: one [Bridge] holds all sessions.
//
// A session reads the device's CONNECT, has a broker dialled, passes CONNECT on and then moves batches of packets with two
// pumps: up, from device to broker, and down. Package drive gives them goroutines or an event loop. Neither has a queue; who does not read slows down only the writer facing it.
// A session ends for one reason, the first; the table in package reason says what each audience hears of it: the device,
// the log and the metrics.
//
// The bridge never says DISCONNECT to the broker for a device that did not, so that wills fire (MQTT 3.1.1 section 3.1.2.5). The one
// exception is asked for by the operator: [Denial].ExpiryWithoutWill.
//
// What the package needs from both ends it states as interfaces. It imports mqttio, the rooms below that know no session, and nothing else of this project.
package bridge
