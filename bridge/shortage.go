package bridge

import (
	"errors"
	"net"
	"strings"
	"syscall"
)

// Budget knows what the process may still use.
type Budget interface {
	// Room says whether a session can be afforded beside n others, which have so many bytes in any case: nil, or why not. It is asked
	// for every handshake and must not wait.
	Room(n int, bytes int64) *Reason
	// Over is by how many bytes the process was above what it may use when it was looked at last; 0: it was not.
	Over() int64
	// Short hears that something could not be opened for want of what the reason names.
	Short(why *Reason, err error)
}

// boundless is the budget of a bridge that was given none.
type boundless struct{}

func (boundless) Room(int, int64) *Reason { return nil }
func (boundless) Over() int64             { return 0 }
func (boundless) Short(*Reason, error)    {}

// shortages are what the system says when something on this side has run out.
var shortages = []struct {
	err    syscall.Errno
	reason *Reason
}{
	{syscall.EMFILE, ReasonDescriptorsFull},
	{syscall.ENFILE, ReasonDescriptorsFull},
	{syscall.EADDRNOTAVAIL, ReasonPortsFull},
	{syscall.ENOBUFS, ReasonMemoryFull},
	{syscall.ENOMEM, ReasonMemoryFull},
}

// Shortage returns what the bridge itself had too little of when making a connection failed with err, nil if it was not that.
func Shortage(err error) *Reason {
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
func (b *Bridge) dialReason(err error) *Reason {
	if short := Shortage(err); short != nil {
		b.budget.Short(short, err)
		return short
	}
	return ReasonBrokerDown
}
