package police

import (
	"testing"

	"mqtt-ws-bridge/mqttio"
)

// FuzzQuotaSubscriptions plays a device that subscribes and gives up as the bytes say, and a broker that grants and refuses so, behind
// each other and late. The broker never has more subscriptions than the quota, and the count is right once all is answered.
func FuzzQuotaSubscriptions(f *testing.F) {
	f.Add([]byte("aAbBcC"), byte(2))
	f.Add([]byte{0, 1, 0, 64, 128, 128}, byte(1)) // twice, given up, answered
	f.Add([]byte{1, 2, 3, 130, 131, 132, 65, 66, 4, 5}, byte(3))
	f.Fuzz(func(t *testing.T, ops []byte, most byte) {
		if most == 0 {
			return
		}
		u := newSubscriptions(int(most%8) + 1)
		b := reluctant{has: make(map[byte]bool)}
		for i, op := range ops {
			filter := op & 15
			switch op >> 6 {
			case 0: // one filter
				b.subscribe(u, uint16(i+1), filter)
			case 1: // three
				b.subscribe(u, uint16(i+1), filter, filter+1, filter+2)
			case 2:
				u.remove([]byte{filter})
				b.queue = append(b.queue, request{unsubscribes: true, filters: []byte{filter}})
			default:
				b.answer(u, op)
			}
			if len(b.has) > u.most {
				t.Fatalf("%d subscriptions at the broker, the quota is %d", len(b.has), u.most)
			}
			if len(u.filters) > u.most || u.waiters > 2*u.most+maxPartial {
				t.Fatalf("%d filters and %d entries remembered", len(u.filters), u.waiters)
			}
		}
		for len(b.queue) > 0 {
			b.answer(u, byte(len(b.queue)))
		}
		if len(u.filters) != len(b.has) || u.waiters != 0 || len(u.waiting) != 0 {
			t.Fatalf("%d counted, the broker has %d; %d entries wait", len(u.filters), len(b.has), u.waiters)
		}
	})
}

// reluctant is a broker that answers late.
type reluctant struct {
	has   map[byte]bool
	queue []request
}

type request struct {
	unsubscribes bool
	id           uint16
	filters      []byte
}

func (b *reluctant) subscribe(u *subscriptions, id uint16, filters ...byte) {
	var sent []byte
	for _, filter := range filters {
		if u.add(id, len(sent), []byte{filter}) {
			sent = append(sent, filter)
		}
	}
	if len(sent) > 0 {
		b.queue = append(b.queue, request{id: id, filters: sent})
	}
}

// answer takes the oldest request and grants what the bits say.
func (b *reluctant) answer(u *subscriptions, bits byte) {
	if len(b.queue) == 0 {
		return
	}
	r := b.queue[0]
	b.queue = b.queue[1:]
	var codes []byte
	for i, filter := range r.filters {
		switch {
		case r.unsubscribes:
			delete(b.has, filter)
		case bits>>i&1 == 1:
			b.has[filter] = true
			codes = append(codes, 1)
		default: // what was granted before stays
			codes = append(codes, mqttio.CodeUnspecified)
		}
	}
	if !r.unsubscribes {
		u.answered(r.id, codes)
	}
}
