package mqttio

import (
	"errors"
	"sync"
)

// Sizes of the buffers that a [Stream] reads into. A device that says little owns the small one, a burst is read with the medium
// one, and a packet that does not fit takes the smallest in which it does. All come from pools and go back when they are empty.
const (
	// Headroom is the scratch space before the first packet of a run: whoever frames the run may write there.
	Headroom = 10
	// MaxWhole is the largest packet that is held whole, in bytes. A longer PUBLISH is streamed through.
	MaxWhole = 64 << 10

	smallBuffer  = 1 << 10
	mediumBuffer = 16 << 10
	// The largest topic and a packet identifier must fit as well, to be looked at before a long PUBLISH is let through.
	largeBuffer = MaxWhole + 1<<10
	// MaxGrow is how many bytes longer a stream's packet can be made at most.
	MaxGrow = 1 << 10
	// longestHeader is a fixed header with its longest length, in bytes.
	longestHeader = 5
	// maxRun is how many packets one run holds.
	maxRun = 256
)

// buffer is what a stream reads into, with the ends of the packets found so far.
type buffer struct {
	b     []byte
	ends  []int
	class int8
}

var (
	bufferSizes = [...]int{smallBuffer, 2 << 10, 4 << 10, 8 << 10, mediumBuffer, 32 << 10, largeBuffer}
	bufferPools [len(bufferSizes)]sync.Pool
)

const (
	classSmall  = 0
	classMedium = 4
)

// classFor is the class of the smallest buffer that holds n bytes.
func classFor(n int) (class int8) {
	for n > bufferSizes[class] {
		class++
	}
	return class
}

// ErrNoMemory says that a packet needs a larger buffer than [Stream.Memory] allows now.
var ErrNoMemory = errors.New("no memory for the packet now")

// Memory counts the buffers of streams, those above 1 KiB. A stream calls it only where it takes another buffer than it has.
type Memory interface {
	// Take asks for n bytes more. spare says that the stream would be faster with them and can do without.
	Take(n int, spare bool) bool
	// Give returns n bytes.
	Give(n int)
	// Tight reports whether a stream should keep no larger a buffer than it needs.
	Tight() bool
	// Awaited reports whether other streams wait for memory: then a stream keeps, from one packet to the next, no larger a buffer than
	// what it has read fills, and asks anew for the next packet.
	Awaited() bool
}

// takeBuffer takes an empty buffer from the pool of its class.
func takeBuffer(class int8) *buffer {
	if b, ok := bufferPools[class].Get().(*buffer); ok {
		return b
	}
	// In a small buffer few packets fit; more than these make a second run.
	runs := min(maxRun, bufferSizes[class]/32)
	return &buffer{b: make([]byte, Headroom+bufferSizes[class]), ends: make([]int, 0, runs), class: class}
}

func (b *buffer) free() {
	b.ends = b.ends[:0]
	bufferPools[b.class].Put(b)
}

// edit is where the run of a stream lies after some of its packets were replaced: Headroom, then the packets. Its capacity is that
// of the buffer they came from and MaxGrow, so that one packet can grow as it is copied; what follows is taken as far as it fits.
type edit struct {
	b     []byte
	class int8
}

var editPools [len(bufferSizes)]sync.Pool

// takeEdit takes an empty one from the pool of the class of the buffer whose packets it is to hold.
func takeEdit(class int8) *edit {
	if e, ok := editPools[class].Get().(*edit); ok {
		return e
	}
	return &edit{b: make([]byte, 0, Headroom+bufferSizes[class]+MaxGrow), class: class}
}

// fits reports whether there is room for n bytes more. Where nothing is yet there always is.
func (e *edit) fits(n int) bool { return len(e.b) <= Headroom || len(e.b)+n <= cap(e.b) }

func (e *edit) free() {
	e.b = e.b[:0]
	editPools[e.class].Put(e)
}
