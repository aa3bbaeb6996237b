package police

import (
	"hash/maphash"
	"sync"

	"mqtt-ws-bridge/mqttio"
)

// subscriptions counts the topic filters that a session has subscribed to. It keeps a hash of each, so that what a device can make
// it remember follows from their number alone. A nil pointer counts nothing and allows everything.
type subscriptions struct {
	most int
	seed maphash.Seed

	mu      sync.Mutex
	filters map[uint64]*subscription // guarded by mu, as all below
	waiting map[uint16][]waiter      // by packet identifier: SUBSCRIBEs that the broker has not answered
	waiters int                      // in all of them
}

// subscription is a filter that the broker has granted, or may still grant.
type subscription struct {
	granted bool
	waiters int
}

// waiter is an entry of a SUBSCRIBE.
type waiter struct {
	filter   uint64
	sub      *subscription // as of then: after an UNSUBSCRIBE the filter may have another
	position int           // of its code in the broker's SUBACK
}

func newSubscriptions(most int) *subscriptions {
	if most == 0 {
		return nil
	}
	return &subscriptions{
		most: most, seed: maphash.MakeSeed(), filters: make(map[uint64]*subscription), waiting: make(map[uint16][]waiter),
	}
}

// awaits reports whether the broker owes the answer to a SUBSCRIBE with that packet identifier. Two at a time could not be told
// apart.
func (u *subscriptions) awaits(id uint16) bool {
	if u == nil {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	_, ok := u.waiting[id]
	return ok
}

// add counts a filter of a SUBSCRIBE, whose code will have that position in the broker's answer. It reports whether there was room. A
// filter that is there already takes none, but may not be asked for again and again without an answer.
func (u *subscriptions) add(id uint16, position int, filter []byte) bool {
	if u == nil {
		return true
	}
	h := maphash.Bytes(u.seed, filter)
	u.mu.Lock()
	defer u.mu.Unlock()
	sub := u.filters[h]
	if sub == nil && len(u.filters) >= u.most || u.waiters >= 2*u.most+maxPartial {
		return false
	}
	if sub == nil {
		sub = new(subscription)
		u.filters[h] = sub
	}
	sub.waiters++
	u.waiters++
	u.waiting[id] = append(u.waiting[id], waiter{h, sub, position})
	return true
}

// undo forgets what add counted for a SUBSCRIBE that did not go on.
func (u *subscriptions) undo(id uint16) { u.answered(id, nil) }

// answered is told the broker's codes for a SUBSCRIBE: what it refused, or did not answer, is no subscription because of this one.
func (u *subscriptions) answered(id uint16, codes []byte) {
	if u == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, w := range u.waiting[id] {
		w.sub.waiters--
		w.sub.granted = w.sub.granted || w.position < len(codes) && codes[w.position] < mqttio.CodeUnspecified
		if !w.sub.granted && w.sub.waiters == 0 && u.filters[w.filter] == w.sub {
			delete(u.filters, w.filter)
		}
	}
	u.waiters -= len(u.waiting[id])
	delete(u.waiting, id)
}

// unsubscribed forgets the filters of an UNSUBSCRIBE: the room of a device's subscriptions comes back. The broker hears of it before
// anything the device sends later.
func (u *subscriptions) unsubscribed(packet mqttio.Unsubscribe) {
	if u == nil {
		return
	}
	for filter := range packet.All() {
		u.remove(filter)
	}
}

func (u *subscriptions) remove(filter []byte) {
	h := maphash.Bytes(u.seed, filter)
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.filters, h)
}
