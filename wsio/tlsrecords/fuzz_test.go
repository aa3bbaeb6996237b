package tlsrecords_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"time"
)

// FuzzRead: whatever a device puts into its records, and however the network cuts them, what is read is what was said, and no deadline
// loses anything. Each two bytes of plan are a record; each byte of cuts a piece of the wire, each of reads the room of a read or a deadline
// before it.
func FuzzRead(f *testing.F) {
	f.Add([]byte{0, 3, 1, 0, 0, 200, 250, 0, 0, 1}, []byte{1, 255, 3}, []byte{100, 0, 1})
	f.Add([]byte{60, 0, 60, 0, 1, 2, 60, 0}, []byte{200, 200, 200, 200}, []byte{255, 0})
	f.Add(bytes.Repeat([]byte{0, 200}, 32), []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, plan, cuts, reads []byte) {
		const most = 64
		w, p, conn := forge(t)
		want := w.follow(plan[:min(len(plan), most)])
		delivered := make(chan struct{})
		go func() {
			defer close(delivered)
			wire := w.wire
			for _, cut := range cuts[:min(len(cuts), most)] {
				n := min(len(wire), 1+int(cut)*int(cut)/4)
				p.deliver(wire[:n], n)
				wire = wire[n:]
			}
			p.deliver(wire, len(wire)) // and stays: crypto/tls reads nothing behind a KeyUpdate that it cannot answer
		}()
		var got []byte
		for i := 0; ; i++ {
			room := 4096
			if i < min(len(reads), most) {
				room = 1 + int(reads[i])*int(reads[i])/4
				if reads[i]&1 == 0 {
					_ = conn.SetReadDeadline(time.Now().Add(time.Duration(reads[i]) * time.Microsecond))
				}
			}
			b := make([]byte, room)
			n, err := conn.Read(b)
			_ = conn.SetReadDeadline(time.Time{})
			got = append(got, b[:n]...)
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				if err != io.EOF || !bytes.Equal(got, want) {
					t.Errorf("%d of %d bytes, %v", len(got), len(want), err)
				}
				break
			}
		}
		_ = conn.NetConn().Close()
		<-delivered
	})
}

// follow makes the records of a plan, and returns what they say.
func (f *forger) follow(plan []byte) (want []byte) {
	f.t.Helper()
	for i := 0; i+1 < len(plan); i += 2 {
		content := []byte{plan[i+1]}
		switch kind, n := plan[i], plan[i+1]; kind {
		case 1:
			f.update(n&1, 1+int(n>>1)%5)
		case 2:
			f.record(typeData)
		default:
			content = random(1 + (int(kind)<<8|int(n))%(16<<10))
		}
		f.record(typeData, content...) // crypto/tls allows only so many records in a row that say nothing
		want = append(want, content...)
	}
	f.record(typeData, 'e')
	f.record(typeAlert, 1, 0) // close_notify
	return append(want, 'e')
}
