package bridge

import (
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// subscribeVerdict is what becomes of a SUBSCRIBE. The zero value lets it pass as it came.
type subscribeVerdict struct {
	against error  // it is against the protocol
	suback  []byte // the whole answer, after Headroom; nil: the broker has a part in it
	rest    []byte // in place of the packet
	tooLong error  // there is no such packet
}

// judgeSubscribe asks the policy about every topic filter. Those that it forbids are answered by the bridge, each with its own
// code, and the rest goes on; where there is none, the whole answer is the bridge's.
func (s *session) judgeSubscribe(p *mqttio.Packet) bool {
	if !s.beginInspection(p) {
		return false
	}
	verdict := s.inspectSubscribe(p)
	s.endInspection()
	switch {
	case verdict.against != nil:
		s.dropUp(p)
		s.end(reason.Protocol, verdict.against)
		return false
	case verdict.suback != nil:
		return s.omitUp(p) && s.reply(verdict.suback)
	case verdict.rest != nil || verdict.tooLong != nil:
		return s.passInstead(p, verdict.rest, verdict.tooLong)
	}
	return true
}

// inspectSubscribe finds the verdict. It writes nothing and waits for nothing.
func (s *session) inspectSubscribe(p *mqttio.Packet) (verdict subscribeVerdict) {
	v := s.connect.version
	sub, err := mqttio.ParseSubscribe(p.Header, p.Bytes, v)
	if err != nil {
		return verdict // it was checked
	}
	if s.policed.awaited(sub.PacketID) || s.policed.subs.awaits(sub.PacketID) {
		return subscribeVerdict{against: errIDInUse}
	}
	codes, denied := s.judgeFilters(sub)
	if denied == 0 && s.policed.mount == "" {
		return verdict
	}
	if denied > 0 && denied < len(codes) && !s.await(sub.PacketID, codes) {
		for i := range codes {
			if codes[i] == mqttio.CodeOfBroker {
				codes[i] = failure(v, mqttio.CodeQuotaExceeded) // until the broker has answered some
			}
		}
		denied = len(codes)
	}
	if denied == len(codes) {
		s.policed.subs.undo(sub.PacketID)
		return subscribeVerdict{suback: mqttio.AppendSuback(ownPacket(), v, sub.PacketID, codes)}
	}
	rest, err := s.policed.mount.AppendSubscribe(nil, p.Header, p.Bytes, sub, codes, s.policed.most(mqttio.MaxWhole))
	return subscribeVerdict{rest: rest, tooLong: err}
}

// judgeFilters returns a code for every topic filter, that of the broker where it is allowed, and how many are not.
func (s *session) judgeFilters(sub mqttio.Subscribe) (codes []byte, denied int) {
	v, pol := s.connect.version, s.policed
	for filter := range sub.All() {
		code := byte(mqttio.CodeOfBroker)
		switch {
		case !pol.mount.HoldsFilter(filter) || !pol.policy.MaySubscribe(filter):
			code = failure(v, mqttio.CodeNotAuthorized)
			s.b.metrics.denied[mqttio.TypeSubscribe].Inc()
		case !pol.subs.add(sub.PacketID, len(codes)-denied, filter):
			code = failure(v, mqttio.CodeQuotaExceeded)
			s.b.metrics.exceeded(quotaSubscriptions)
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

// awaited reports whether the broker owes the answer to a part of a SUBSCRIBE with that packet identifier.
func (pol *policed) awaited(id uint16) bool {
	pol.mu.Lock()
	defer pol.mu.Unlock()
	_, ok := pol.partial[id]
	return ok
}

// await remembers the codes until the broker has answered. It reports whether there was room.
func (s *session) await(id uint16, codes []byte) bool {
	pol := s.policed
	pol.mu.Lock()
	defer pol.mu.Unlock()
	if len(pol.partial) >= maxPartial || pol.partialCodes+len(codes) > maxPartialCodes || !s.memory.remember(int64(len(codes))) {
		return false
	}
	if pol.partial == nil {
		pol.partial = make(map[uint16][]byte)
	}
	pol.partial[id] = codes
	pol.partialCodes += len(codes)
	return true
}

// answered returns the codes of the SUBSCRIBE with that packet identifier, nil if it went on whole, and forgets them.
func (s *session) answered(id uint16) []byte {
	pol := s.policed
	pol.mu.Lock()
	defer pol.mu.Unlock()
	codes := pol.partial[id]
	delete(pol.partial, id)
	pol.partialCodes -= len(codes)
	s.memory.remember(-int64(len(codes)))
	return codes
}

// mergeSuback puts the bridge's codes into the broker's answer to a SUBSCRIBE that went on in part. It reports whether the pump
// goes on.
func (s *session) mergeSuback(p *mqttio.Packet) bool {
	v := s.connect.version
	if !p.Whole() {
		return true // the answer to more topic filters than a SUBSCRIBE that is let through can have
	}
	ack, err := mqttio.ParseSuback(p.Header, p.Bytes, v)
	if err != nil {
		return true // it was checked
	}
	codes := s.answered(ack.PacketID)
	if codes == nil {
		return true
	}
	merged, err := mqttio.AppendMerged(ownPacket(), p.Header, p.Bytes, v, codes)
	if err != nil {
		s.dropDown(p)
		s.end(reason.BrokerMalformed, err)
		return false
	}
	if !s.flushDownBefore() {
		return false
	}
	if s.tooLarge(merged) { // without what the broker has to say beside the codes [MQTT-3.9.2-1] [MQTT-3.9.2-2]
		merged = mqttio.AppendSuback(ownPacket(), v, ack.PacketID, merged[len(merged)-len(codes):])
	}
	if s.tooLarge(merged) {
		s.end(reason.AnswerTooLarge, nil)
		return false
	}
	if err := s.writeDevice(merged, []int{len(merged)}, false); err != nil {
		s.end(reason.DeviceLost, err)
		return false
	}
	return true
}
