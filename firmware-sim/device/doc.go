// Package device runs one simulated device: it connects the way its profile's library does, keeps an MQTT session,
// takes downlink frames with that library's limits and comes back with its habits. What a device says and answers is
// its Behaviour's business.
//
// A device at rest owns two goroutines (one in its Behaviour, one reading), a read buffer of 256 bytes and a timer.
package device
