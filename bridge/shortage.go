package bridge

import (
	"errors"
	"net"
	"strings"
	"syscall"

	"mqtt-ws-bridge/bridge/reason"
)

// Budget knows what the process may still use.
type Budget interface {
	// Room says whether a session can be afforded beside n others, which have so many bytes in any case: nil, or why not. It is asked
	// for every handshake and must not wait.
	Room(n int, bytes int64) *reason.Reason
	// Over is by how many bytes the process was above what it may use when it was looked at last; 0: it was not.
	Over() int64
	// Short hears that something could not be opened for want of what the reason names.
	Short(why *reason.Reason, err error)
}

// boundless is the budget of a bridge that was given none.
type boundless struct{}

func (boundless) Room(int, int64) *reason.Reason { return nil }
func (boundless) Over() int64                    { return 0 }
func (boundless) Short(*reason.Reason, error)    {}

// shortages are what the system says when something on this side has run out.
var shortages = []struct {
	err    syscall.Errno
	reason *reason.Reason
}{
	{syscall.EMFILE, reason.DescriptorsFull},
	{syscall.ENFILE, reason.DescriptorsFull},
	{syscall.EADDRNOTAVAIL, reason.PortsFull},
	{syscall.ENOBUFS, reason.MemoryFull},
	{syscall.ENOMEM, reason.MemoryFull},
}

// Shortage returns what the bridge itself had too little of when making a connection failed with err, nil if it was not that.
func Shortage(err error) *reason.Reason {
	for _, s := range shortages {
		if errors.Is(err, s.err) {
			return s.reason
		}
	}
	// The resolver passes on the words alone.
	if dns := new(net.DNSError); errors.As(err, &dns) {
		for _, s := range shortages {
			if strings.HasSuffix(dns.Err, s.err.Error()) {
				return s.reason
			}
		}
	}
	return nil
}

// dialReason says why a dial failed, and tells the budget if it was for want of something here.
func (b *Bridge) dialReason(err error) *reason.Reason {
	if short := Shortage(err); short != nil {
		b.budget.Short(short, err)
		return short
	}
	return reason.BrokerDown
}
