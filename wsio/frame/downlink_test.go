package frame_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/internal/wsframes"
	"mqtt-ws-bridge/wsio/frame"
)

const gather = 16 << 10 // what one TLS record holds, and so what one write should not exceed if it can be helped

// downCase is a run of packets with the frames and the writes that have to come of it.
type downCase struct {
	name     string
	maxFrame int // 0: 64 KiB
	packets  []string
	frames   []int // payload sizes; nil: as the packets
	writes   []int // sizes; nil: one for all
}

func (c downCase) run(t *testing.T) {
	if c.maxFrame == 0 {
		c.maxFrame = 64 << 10
	}
	nc := script()
	conn := frame.NewConn(nc, nil, c.maxFrame)
	if err := conn.WriteFrames(layout(c.packets...)); err != nil {
		t.Fatal(err)
	}
	if got := conn.WriteProgress(); got != uint32(2*len(nc.writes)) {
		t.Errorf("WriteProgress %d after %d writes", got, len(nc.writes))
	}
	frames := wsframes.MustParse(t, nc.sent())
	var stream strings.Builder
	var sizes []int
	for _, f := range frames {
		if f.Op != wsframes.Binary || f.Payload == "" {
			t.Errorf("frame with opcode %d and %d bytes", f.Op, len(f.Payload))
		}
		stream.WriteString(f.Payload)
		sizes = append(sizes, len(f.Payload))
	}
	if stream.String() != strings.Join(c.packets, "") {
		t.Error("the stream is not that of the packets")
	}
	if c.frames == nil {
		c.frames = lengths(c.packets)
	}
	if !slices.Equal(sizes, c.frames) {
		t.Errorf("frames of %v bytes, want %v", sizes, c.frames)
	}
	if c.writes == nil {
		c.writes = []int{len(nc.sent())}
	}
	if got := nc.sizes(); !slices.Equal(got, c.writes) {
		t.Errorf("writes of %v bytes, want %v", got, c.writes)
	}
}

func lengths(packets []string) []int {
	var n []int
	for _, p := range packets {
		n = append(n, len(p))
	}
	return n
}

// TestDownlink holds the rules D1 to D5 of device-quirks and the layouts of WriteFrames.
func TestDownlink(t *testing.T) {
	k := func(n int) string { return random(n) }
	burst := make([]string, 100)
	for i := range burst {
		burst[i] = k(1 + i)
	}
	small := slices.Repeat([]string{k(62)}, gather/64)
	cases := []downCase{
		{name: "D1_one_frame_per_packet", packets: []string{k(2), k(5), k(300)}},
		{name: "D1_empty_runs_are_left_out", packets: []string{"", k(2), "", "", k(3), ""}, frames: []int{2, 3}},
		{name: "D1_nothing_at_all", packets: []string{"", ""}, frames: []int{}, writes: []int{}},
		{name: "D1_one_empty_run", packets: []string{""}, frames: []int{}, writes: []int{}},
		{name: "D2_one_write_per_burst", packets: burst},
		{name: "D2_burst_that_fills_the_write", packets: small},
		{name: "D2_burst_one_frame_longer", packets: append(slices.Clone(small), k(1)), writes: []int{gather, 3}},
		{name: "D2_no_frame_over_the_edge_of_a_write", packets: append(slices.Repeat([]string{k(62)}, gather/64-1), k(60), k(1)),
			writes: []int{gather - 2, 3}},
		{name: "D2_header_counts", packets: append(slices.Repeat([]string{k(62)}, gather/64-1), k(63)),
			writes: []int{gather - 64, 65}},
		{name: "D2_payload_of_4096_is_gathered", packets: []string{k(1), k(4096), k(1)}},
		{name: "D2_payload_of_4097_in_place", packets: []string{k(1), k(4097), k(1)}, writes: []int{3, 4 + 4097, 3}},
		{name: "D2_first_is_long", packets: []string{k(5000), k(1)}, writes: []int{5004, 3}},
		{name: "D2_last_is_long", packets: []string{k(1), k(5000)}, writes: []int{3, 5004}},
		{name: "D3_whole_frame_in_a_write", packets: []string{k(64 << 10)}, writes: []int{10 + 64<<10}},
		{name: "D4_packet_above_the_largest_frame", packets: []string{k(64<<10 + 1)}, frames: []int{64 << 10, 1},
			writes: []int{10 + 64<<10, 3}},
		{name: "D4_packet_of_three_frames", packets: []string{k(150_000)}, frames: []int{65536, 65536, 18928},
			writes: []int{65546, 65546, 18932}},
		{name: "D4_15360_for_arduino", maxFrame: 15360, packets: []string{k(100), k(20_000), k(100)},
			frames: []int{100, 15360, 4640, 100}, writes: []int{102, 15364, 4644, 102}},
		{name: "D4_frames_below_the_gather_limit", maxFrame: 1024, packets: []string{k(1024), k(1025), k(3)},
			frames: []int{1024, 1024, 1, 3}, writes: []int{1028, 1028, 3, 5}},
		{name: "D4_frames_of_one_byte", maxFrame: 1, packets: []string{"ab"}, frames: []int{1, 1}, writes: []int{3, 3}},
		{name: "D4_multiple_of_the_largest_frame", maxFrame: 100, packets: []string{k(300)}, frames: []int{100, 100, 100},
			writes: []int{102, 102, 102}},
	}
	for _, n := range []int{1, 125, 126, 65535, 65536} {
		cases = append(cases, downCase{name: fmt.Sprintf("D5_%d_bytes", n), packets: []string{k(n)}})
	}
	for _, c := range cases {
		t.Run(c.name, c.run)
	}
}

func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return string(b)
}

// TestD6_pings_only_when_asked: reading and writing send none, and Ping's is not empty and travels alone.
func TestD6_pings_only_when_asked(t *testing.T) {
	nc := script(wsframes.Masked(wsframes.FIN|wsframes.Binary, "ab"))
	conn := frame.NewConn(nc, nil, 1<<16)
	_, _ = conn.Read(make([]byte, 64))
	if err := conn.WriteFrames(layout("a", "b")); err != nil {
		t.Fatal(err)
	}
	before := len(nc.writes)
	for _, f := range wsframes.MustParse(t, nc.sent()) {
		if f.Op != wsframes.Binary {
			t.Errorf("opcode %d without being asked", f.Op)
		}
	}
	if err := conn.Ping(); err != nil {
		t.Fatal(err)
	}
	if len(nc.writes) != before+1 {
		t.Fatal("the ping was not one write")
	}
	got := wsframes.MustParse(t, nc.writes[before])
	if len(got) != 1 || got[0].Op != wsframes.Ping || got[0].Payload == "" || len(got[0].Payload) > 125 {
		t.Errorf("the ping is %v", got)
	}
}

// TestPingBesideAWriter returns at once instead of waiting for a device that does not read.
func TestPingBesideAWriter(t *testing.T) {
	nc := &stuckConn{scriptConn: script(), entered: make(chan struct{}, 8), letGo: make(chan struct{})}
	conn := frame.NewConn(nc, nil, 1<<16)
	written := make(chan error, 1)
	go func() { written <- conn.WriteFrames(layout("packet")) }()
	<-nc.entered
	if err := conn.Ping(); err != nil {
		t.Error(err)
	}
	close(nc.letGo)
	if err := <-written; err != nil {
		t.Error(err)
	}
	if got := wsframes.MustParse(t, nc.sent()); len(got) != 1 {
		t.Errorf("sent %v", got)
	}
}

// TestWrite is WriteFrames for those who only know net.Conn. It leaves p alone.
func TestWrite(t *testing.T) {
	nc := script()
	conn := frame.NewConn(nc, nil, 10)
	p := []byte("0123456789abc")
	n, err := conn.Write(p)
	if n != len(p) || err != nil || string(p) != "0123456789abc" {
		t.Errorf("Write: %d, %v, %q", n, err, p)
	}
	want := []wsframes.Frame{wsframes.Sent(wsframes.Binary, "0123456789"), wsframes.Sent(wsframes.Binary, "abc")}
	if got := wsframes.MustParse(t, nc.sent()); !equalFrames(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
}

// TestNothingFollowsHalfAFrame: once a write failed the device may be inside a frame.
func TestNothingFollowsHalfAFrame(t *testing.T) {
	device, bridge := net.Pipe()
	defer device.Close()
	conn := frame.NewConn(bridge, nil, 1<<16)
	defer conn.Close()
	_ = conn.SetWriteDeadline(time.Now().Add(-time.Second))
	if err := conn.WriteFrames(layout("packet")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("first write: %v", err)
	}
	_ = conn.SetWriteDeadline(time.Now().Add(patience))
	got := wsframes.Collect(device) // now there would be room
	if err := conn.WriteFrames(layout("packet")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("second write: %v", err)
	}
	if err := conn.Ping(); err == nil {
		t.Error("Ping succeeded")
	}
	_ = conn.Close()
	if b := got.Wait(); len(b) != 0 {
		t.Errorf("% x followed", b)
	}
}
