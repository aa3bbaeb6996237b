package reason

import (
	"errors"

	"mqtt-ws-bridge/mqttio"
)

// OfPacket says for which reason a packet of the device, which err is about, ends the session.
func OfPacket(err error) *Reason {
	var e *mqttio.Error
	switch {
	case errors.Is(err, mqttio.ErrControlPacketTooLarge):
		return ControlPacketTooLarge
	case errors.Is(err, mqttio.ErrTooLarge):
		return PacketTooLarge
	case errors.As(err, &e) && e.Code == mqttio.CodeProtocol:
		return Protocol
	}
	return Malformed
}

// OfConnect says for which reason a first packet is refused.
func OfConnect(err error) *Reason {
	var e *mqttio.Error
	switch {
	case errors.Is(err, mqttio.ErrTooLarge):
		return ConnectTooLarge
	case errors.Is(err, mqttio.ErrNotConnect):
		return NotConnect
	case errors.As(err, &e) && e.Code == mqttio.CodeVersion:
		return MQTTVersion
	}
	return ConnectMalformed
}
