package police

import (
	"mqtt-ws-bridge/bridge/leg"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// subscribe asks the policy about every topic filter. Those that it forbids are answered by the bridge, each with its own
// code, and the rest goes on; where there is none, the whole answer is the bridge's.
func (i *Inspector) subscribe(p *mqttio.Packet) *Verdict {
	v := i.version
	sub, err := mqttio.ParseSubscribe(p.Header, p.Bytes, v)
	if err != nil {
		return nil // it was checked
	}
	if i.awaited(sub.PacketID) || i.subs.awaits(sub.PacketID) {
		return i.up.end(reason.Protocol, errIDInUse)
	}
	codes, denied := i.filters(sub)
	if denied == 0 && i.mount == "" {
		return nil
	}
	if denied > 0 && denied < len(codes) && !i.await(sub.PacketID, codes) {
		for n := range codes {
			if codes[n] == mqttio.CodeOfBroker {
				codes[n] = failure(v, mqttio.CodeQuotaExceeded) // until the broker has answered some
			}
		}
		denied = len(codes)
	}
	if denied == len(codes) {
		i.subs.undo(sub.PacketID)
		return i.up.drop(Answer{Packet: mqttio.AppendSuback(leg.NewPacket(), v, sub.PacketID, codes)})
	}
	return i.instead(i.mount.AppendSubscribe(leg.NewPacket(), p.Header, p.Bytes, sub, codes, i.most(mqttio.MaxWhole)))
}

// filters returns a code for every topic filter, that of the broker where it is allowed, and how many are not.
func (i *Inspector) filters(sub mqttio.Subscribe) (codes []byte, denied int) {
	for filter := range sub.All() {
		code := byte(mqttio.CodeOfBroker)
		switch {
		case !i.mount.HoldsFilter(filter) || !i.o.Policy.MaySubscribe(filter):
			code = failure(i.version, mqttio.CodeNotAuthorized)
			i.o.Counters.Denied(mqttio.TypeSubscribe)
		case !i.subs.add(sub.PacketID, len(codes)-denied, filter):
			code = failure(i.version, mqttio.CodeQuotaExceeded)
			i.o.Counters.Exceeded(QuotaSubscriptions)
		}
		if codes = append(codes, code); code != mqttio.CodeOfBroker {
			denied++
		}
	}
	return codes, denied
}

// failure is the code of a topic filter that is refused: MQTT 3.1.1 has one, and 3.1 none, where brokers use the same.
func failure(v mqttio.Version, code byte) byte {
	if v == mqttio.V5 {
		return code
	}
	return mqttio.CodeUnspecified
}

// TooManyFilters is the answer to a SUBSCRIBE with more than most topic filters; nil: it has no more than that. 0 is any number.
func TooManyFilters(p *mqttio.Packet, v mqttio.Version, most int) []byte {
	const shortest = 4 // bytes of an entry
	if most == 0 || p.Header.Remaining/shortest <= most {
		return nil
	}
	sub, err := mqttio.ParseSubscribe(p.Header, p.Bytes, v)
	if err != nil {
		return nil // it was checked
	}
	filters := 0
	for range sub.All() {
		filters++
	}
	if filters <= most {
		return nil
	}
	codes := make([]byte, filters)
	for i := range codes {
		codes[i] = failure(v, mqttio.CodeQuotaExceeded)
	}
	return mqttio.AppendSuback(leg.NewPacket(), v, sub.PacketID, codes)
}

// awaited reports whether the broker owes the answer to a part of a SUBSCRIBE with that packet identifier.
func (i *Inspector) awaited(id uint16) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	_, ok := i.partial[id]
	return ok
}

// await remembers the codes until the broker has answered. It reports whether there was room.
func (i *Inspector) await(id uint16, codes []byte) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.partial) >= maxPartial || i.partialCodes+len(codes) > maxPartialCodes || !i.o.Memory.Remember(int64(len(codes))) {
		return false
	}
	if i.partial == nil {
		i.partial = make(map[uint16][]byte)
	}
	i.partial[id] = codes
	i.partialCodes += len(codes)
	return true
}

// answered returns the codes of the SUBSCRIBE with that packet identifier, nil if it went on whole, and forgets them.
func (i *Inspector) answered(id uint16) []byte {
	i.mu.Lock()
	defer i.mu.Unlock()
	codes := i.partial[id]
	delete(i.partial, id)
	i.partialCodes -= len(codes)
	i.o.Memory.Remember(-int64(len(codes)))
	return codes
}

// suback learns which subscriptions the broker has granted, and puts the bridge's codes into its answer to a SUBSCRIBE that went on in part.
func (i *Inspector) suback(p *mqttio.Packet) *Verdict {
	v := i.version
	if !p.Whole() {
		return nil // the answer to more topic filters than a SUBSCRIBE that is let through can have
	}
	ack, err := mqttio.ParseSuback(p.Header, p.Bytes, v)
	if err != nil {
		return nil // it was checked
	}
	i.subs.answered(ack.PacketID, ack.Codes)
	codes := i.answered(ack.PacketID)
	if codes == nil {
		return nil
	}
	merged, err := mqttio.AppendMerged(leg.NewPacket(), p.Header, p.Bytes, v, codes)
	if err != nil {
		return i.down.end(reason.BrokerMalformed, err)
	}
	if i.tooLarge(merged) { // without what the broker has to say beside the codes [MQTT-3.9.2-1] [MQTT-3.9.2-2]
		merged = mqttio.AppendSuback(leg.NewPacket(), v, ack.PacketID, merged[len(merged)-len(codes):])
	}
	if i.tooLarge(merged) {
		return i.down.end(reason.AnswerTooLarge, nil)
	}
	return i.down.replace(merged)
}

// tooLarge reports whether the device would not take a packet [MQTT-3.1.2-24].
func (i *Inspector) tooLarge(buf []byte) bool {
	return i.deviceMost > 0 && uint64(len(buf)-mqttio.Headroom) > uint64(i.deviceMost)
}
