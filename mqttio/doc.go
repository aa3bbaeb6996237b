// Package mqttio finds MQTT control packets in a byte stream and looks at them in place, without copying.
//
// It reads MQTT 3.1, 3.1.1 and 5.
package mqttio
