package mqttio

import (
	"errors"
	"io"
)

// ErrTooLarge says that a packet announces more bytes than allowed. It is found in the fixed header, before anything is
// read for it.
var ErrTooLarge = errors.New("packet larger than allowed")

// ErrControlPacketTooLarge is ErrTooLarge for a packet up that is no PUBLISH and larger than [MaxWhole], whatever the Limit: it could not be
// checked.
var ErrControlPacketTooLarge = errors.New("packet other than PUBLISH larger than 64 KiB")

// ErrRunFull says that a run holds as many packets as it can.
var ErrRunFull = errors.New("run is full")

// Stream finds the packets in the bytes read from one end and checks each. Use it in a loop:
//
//	for {
//		p, err := s.Next()
//		if err == ErrShort || err == ErrRunFull {
//			write(s.Run()) // everything that was looked at, in one write
//			s.Done()
//		}
//		if err == ErrShort {
//			_, err = s.Fill(conn)
//		}
//		...
//	}
//
// The packets stay where they were read: Run is the bytes of all packets since the last Done, as they came. Only the flags that MQTT 3.1
// calls unused, and later versions reserve, get the values that these want.
//
// A packet larger than [MaxWhole] comes in parts, each part as soon as there are MinPart bytes of it or its end: a stream
// never holds more than one buffer of 65 KiB. Its topic and packet identifier are checked with the first part.
//
// The zero value is not usable: set Direction and Limit. Not for concurrent use.
type Stream struct {
	Direction Direction
	// Version is that of the session. 0 means that CONNECT has not come yet: nothing else is taken, and CONNECT itself is
	// left to ParseConnect.
	Version Version
	// Limit is the size above which a packet is refused, in bytes with its fixed header.
	Limit int
	// MinPart is how many bytes a part of a long packet has at least, unless it is the last. At most MaxWhole.
	MinPart int
	// MaxRun is how many packets a run has at most. 0: as many as there is room for.
	MaxRun int
	// Grow is how many bytes longer Replace may make a packet. At most MaxGrow.
	Grow int
	// Memory counts the stream's buffers. Nil: nobody does.
	Memory Memory
	// Copies is how many buffers of the same size may be in use beside the stream's while a run is passed on, and Beside how many
	// bytes more at most. Both are counted with it.
	Copies, Beside int

	buf  *buffer
	base int // buf.b[base:pos] is the run unless it was edited, buf.b[pos:end] was not looked at yet
	pos  int
	end  int

	edit *edit // where the run lies once a packet was replaced; else nil

	left int    // bytes after pos that belong to the long packet under way
	long Header // of that packet
	want int    // bytes needed from pos on to get further; 0: any
	last int    // bytes that the last Fill brought

	counted int // what Memory has counted
}

// Packet is what [Stream.Next] found.
type Packet struct {
	Header Header
	// Bytes is the packet as it came, or the part of it that is there. It is valid until the next Next, Fill or Done.
	Bytes []byte
	// First and Last tell where in the packet Bytes lies. Both are set for a whole packet.
	First, Last bool
}

// Whole reports whether Bytes is the whole packet.
func (p *Packet) Whole() bool { return p.First && p.Last }

// Next returns the next packet, or the next part of a long one, that is in the buffer. The error is [ErrShort] when more
// bytes are needed, [ErrRunFull] when Done has to be called first, [ErrTooLarge], [ErrControlPacketTooLarge], [ErrNotConnect] or an [*Error]. After one
// of the latter four the stream is of no more use.
func (s *Stream) Next() (p Packet, err error) {
	if s.pos == s.end {
		return p, ErrShort
	}
	if n := len(s.buf.ends); n == cap(s.buf.ends) || n == s.MaxRun && n > 0 {
		return p, ErrRunFull
	}
	if s.left > 0 {
		return s.nextPart(false)
	}
	b := s.buf.b[s.pos:s.end]
	if s.Version == 0 && s.Direction == Up && Type(b[0]>>4) != TypeConnect {
		return p, ErrNotConnect
	}
	if s.Version == V31 {
		b[0] = plainFlags(b[0])
	}
	h, common := commonPublish(b, s.Version, s.Direction)
	if !common {
		if h, err = ParseHeader(b); err != nil {
			s.want = 0
			return p, err
		}
	}
	size := h.Size()
	if size > s.Limit {
		return p, ErrTooLarge
	}
	if size > len(b) {
		return s.nextLong(h, b)
	}
	if s.edit != nil && !s.edit.fits(size+s.Grow) {
		return p, ErrRunFull
	}
	b = b[:size]
	if s.Version != 0 && !common {
		if err := Check(h, b, s.Version, s.Direction); err != nil {
			return p, err
		}
	}
	s.advance(size)
	return Packet{Header: h, Bytes: b, First: true, Last: true}, nil
}

// nextLong looks at a packet that is not whole in the buffer: it is waited for if it can be held, streamed if not.
func (s *Stream) nextLong(h Header, b []byte) (p Packet, err error) {
	if s.Version != 0 {
		if err := CheckHeader(h, s.Version, s.Direction); err != nil {
			return p, err
		}
	}
	size := h.Size()
	if size <= MaxWhole {
		s.want = size
		return p, ErrShort
	}
	if h.Type() == TypePublish {
		if _, err := CheckPublishHead(h, b, s.Version, s.Direction); err != nil {
			if err == ErrShort {
				s.want = len(b) + 1
			}
			return p, err
		}
	} else if s.Direction == Up {
		return p, ErrControlPacketTooLarge
	}
	s.left, s.long = size, h
	return s.nextPart(true)
}

func (s *Stream) nextPart(first bool) (p Packet, err error) {
	n := min(s.end-s.pos, s.left)
	if n < s.left && n < s.MinPart {
		s.want = min(s.left, s.MinPart)
		if first {
			s.left = 0 // it begins when the first part is there
		}
		return p, ErrShort
	}
	if n > MaxWhole {
		n = MaxWhole
	}
	if s.edit != nil && !s.edit.fits(n+s.Grow) {
		if first {
			s.left = 0
		}
		return p, ErrRunFull
	}
	p = Packet{Header: s.long, Bytes: s.buf.b[s.pos : s.pos+n], First: first, Last: n == s.left}
	s.left -= n
	s.advance(n)
	return p, nil
}

func (s *Stream) advance(n int) {
	s.pos += n
	s.want = 0
	if s.edit != nil {
		s.edit.b = append(s.edit.b, s.buf.b[s.pos-n:s.pos]...)
		s.buf.ends = append(s.buf.ends, len(s.edit.b))
		return
	}
	s.buf.ends = append(s.buf.ends, Headroom+s.pos-s.base)
}

// Replace puts what with appends to dst in place of the packet, or the part of one, that Next returned last, whose bytes stay
// good. It must be something, and longer by at most Grow bytes. The run lies in a second buffer from then on, until Done.
func (s *Stream) Replace(with func(dst []byte) []byte) {
	before, ends := s.RunBefore()
	if s.edit == nil {
		s.edit = takeEdit(s.buf.class)
		s.edit.b = append(s.edit.b, before...)
	}
	s.edit.b = with(s.edit.b[:len(before)])
	s.buf.ends = append(ends, len(s.edit.b))
}

// Drop takes the packet, or the part of one, that Next returned last out of the run. Its bytes stay good.
func (s *Stream) Drop() {
	before, ends := s.RunBefore()
	switch {
	case s.edit != nil:
		s.edit.b = s.edit.b[:len(before)]
	case len(ends) == 0:
		s.base = s.pos
	default:
		s.edit = takeEdit(s.buf.class)
		s.edit.b = append(s.edit.b, before...)
	}
	s.buf.ends = ends
}

// whole is the buffer in which the run lies.
func (s *Stream) whole() []byte {
	if s.edit != nil {
		return s.edit.b
	}
	return s.buf.b[s.base-Headroom : s.pos]
}

// Run returns the packets found since the last Done as one piece: buf[Headroom:] begins with the first, and each of ends
// is where one ends. The bytes before Headroom are scratch. It is empty when there was no packet.
func (s *Stream) Run() (buf []byte, ends []int) {
	if s.buf == nil {
		return nil, nil
	}
	return s.whole(), s.buf.ends
}

// RunBefore returns the run without the packet, or part of one, that Next returned last. Who writes that and calls Done has
// taken this one out; its bytes are good until then, and what follows it in the buffer stays.
func (s *Stream) RunBefore() (buf []byte, ends []int) {
	ends = s.buf.ends[:len(s.buf.ends)-1]
	if len(ends) == 0 {
		return s.whole()[:Headroom], ends
	}
	return s.whole()[:ends[len(ends)-1]], ends
}

// Done forgets the run: its bytes may be overwritten.
func (s *Stream) Done() {
	if s.buf == nil {
		return
	}
	s.buf.ends = s.buf.ends[:0]
	if s.edit != nil {
		s.edit.free()
		s.edit = nil
	}
	if s.pos == s.end {
		s.freeBuffer()
		s.base, s.pos, s.end = 0, 0, 0
		return
	}
	s.base = s.pos
	if s.buf.class > classSmall && s.Memory != nil && (s.want > 0 || s.end-s.pos < longestHeader) && s.Memory.Tight() { // half a packet
		n := s.end - s.pos + 1
		if !s.Memory.Awaited() {
			n = max(n, s.want)
		}
		if class := classFor(n); class < s.buf.class {
			s.change(class)
			s.uncount(s.cost(class))
		}
	}
}

// cost is what a buffer counts. The small ones are taken for granted.
func (s *Stream) cost(class int8) int {
	if class == classSmall {
		return 0
	}
	size := bufferSizes[class]
	return (1+s.Copies)*size + min(size, s.Beside)
}

// MostMemory returns the most bytes that the stream counts at a time.
func (s *Stream) MostMemory() int { return s.cost(int8(len(bufferSizes) - 1)) }

func (s *Stream) freeBuffer() {
	s.buf.free()
	s.buf = nil
	if s.counted > 0 {
		s.uncount(0)
	}
}

// count asks for a buffer of this class in place of the one there is.
func (s *Stream) count(class int8, spare bool) bool {
	n := s.cost(class)
	if n > s.counted {
		if !s.Memory.Take(n-s.counted, spare) {
			return false
		}
		s.counted = n
	}
	return true
}

// uncount returns what was counted above n.
func (s *Stream) uncount(n int) {
	if more := s.counted - n; more > 0 {
		s.counted = n
		s.Memory.Give(more)
	}
}

// change moves what was not looked at to a buffer of another class, which has been counted.
func (s *Stream) change(class int8) {
	other := takeBuffer(class)
	s.compact(other)
	s.buf.free()
	s.buf = other
}

// compact moves what was not looked at to the front of to.
func (s *Stream) compact(to *buffer) {
	n := copy(to.b[Headroom:], s.buf.b[s.pos:s.end])
	s.base, s.pos, s.end = Headroom, Headroom, Headroom+n
}

// MidPacket reports whether the run ended within a long packet.
func (s *Stream) MidPacket() bool { return s.left > 0 }

// Idle reports whether the stream holds nothing at all: no buffer and no part of a packet.
func (s *Stream) Idle() bool { return s.buf == nil && s.left == 0 }

// Fill reads once from r and returns how many bytes came. Call Done first. [ErrNoMemory] says that nothing was read: what the stream
// waits for needs a larger buffer, and Memory has none to give. Fill may be called again.
func (s *Stream) Fill(r io.Reader) (int, error) {
	if !s.room() {
		return 0, ErrNoMemory
	}
	n, err := r.Read(s.buf.b[s.end:])
	s.end += n
	s.last = n
	if s.pos == s.end {
		s.Done()
	}
	return n, err
}

// Drained reports whether the last Fill found less than there was room for: the next one is likely to wait.
func (s *Stream) Drained() bool { return s.last < mediumBuffer/2 }

// room makes sure that there is a buffer, large enough for what is wanted and, where there is memory to spare, for what is likely to
// come. It reports whether there is.
func (s *Stream) room() bool {
	need := classFor(max(s.want, s.end-s.pos+1))
	class := need
	if class < classMedium && (s.left > smallBuffer || s.last > smallBuffer/2) { // where much came, much will come
		class = classMedium
	}
	has := int8(classSmall)
	if s.buf != nil {
		has = s.buf.class
	}
	if s.Memory != nil && class > has {
		switch {
		case s.count(class, class > need):
		case need <= has:
			class = has
		case class > need && s.count(need, false):
			class = need
		default:
			return false
		}
	}
	switch {
	case s.buf == nil:
		s.buf = takeBuffer(class)
		s.base, s.pos, s.end = Headroom, Headroom, Headroom
	case class > has:
		s.change(class)
	case s.pos > Headroom: // once for each read, however many runs what it brought made
		s.compact(s.buf)
	}
	return true
}

// Close frees the buffers.
func (s *Stream) Close() {
	if s.edit != nil {
		s.edit.free()
		s.edit = nil
	}
	if s.buf != nil {
		s.freeBuffer()
	}
}
