package ota

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"sync/atomic"
	"time"

	"mqtt-ws-bridge/firmware-sim/device"
	"mqtt-ws-bridge/firmware-sim/packet"
)

// Fate is what befalls a device during its update.
type Fate string

// The fates.
const (
	Smooth       Fate = "smooth"
	FlashDefect  Fate = "bad-hash"      // a bit flips in flash: the hash must not match
	PowerLoss    Fate = "power-loss"    // dies halfway, must resume where it was
	BootFailure  Fate = "rollback"      // the new image does not boot, must go back
	AlreadyNewer Fate = "stale"         // runs a newer version, must refuse
	OtherKey     Fate = "bad-signature" // trusts another key, must refuse
)

// Expected is the state in which a device of that fate must end.
func (f Fate) Expected() State {
	switch f {
	case FlashDefect:
		return BadHash
	case BootFailure:
		return RolledBack
	case AlreadyNewer:
		return Stale
	case OtherKey:
		return BadSignature
	}
	return Installed
}

// Agent is a device's updater. What it knows survives connections, as flash does. It implements fleet.Extra.
type Agent struct {
	id, prefix string
	fate       Fate
	key        ed25519.PublicKey
	chunk      int
	retry      time.Duration
	resumed    atomic.Bool

	announced chan Manifest // capacity 1: the newest
	arrived   chan []byte   // capacity 1: one request is out at a time

	// owned by Online, one at a time
	version int
	update  *Manifest
	offset  int
	sum     hash.Hash
	died    bool
	final   *Report
}

// NewAgent makes the updater of a device that runs version 1. Chunks are of chunk bytes at most.
func NewAgent(id, prefix string, fate Fate, key ed25519.PublicKey, chunk int) *Agent {
	a := &Agent{id: id, prefix: prefix, fate: fate, key: key, chunk: chunk, retry: 5 * time.Second, version: 1,
		announced: make(chan Manifest, 1), arrived: make(chan []byte, 1)}
	switch fate {
	case AlreadyNewer:
		a.version = 1 << 20
	case OtherKey:
		a.key = Key(0xBAD).Public().(ed25519.PublicKey)
	}
	return a
}

// Filters implements fleet.Extra.
func (a *Agent) Filters() []string {
	return []string{a.prefix + "/ota/announce", a.prefix + "/ota/" + a.id + "/chunk"}
}

// Message implements fleet.Extra.
func (a *Agent) Message(_ device.Link, m packet.Message) {
	if m.Topic == a.prefix+"/ota/announce" {
		var manifest Manifest
		if json.Unmarshal(m.Payload, &manifest) != nil {
			return
		}
		select {
		case <-a.announced: // an older one
		default:
		}
		a.announced <- manifest
		return
	}
	select {
	case a.arrived <- append([]byte(nil), m.Payload...):
	default: // a late answer to a request that was repeated
	}
}

// Online implements fleet.Extra: it goes on where the last connection left off.
func (a *Agent) Online(ctx context.Context, link device.Link) {
	if a.final != nil {
		// The last connection may have ended before this was heard.
		_ = a.say(ctx, link, *a.final)
	}
	if a.update != nil && a.final == nil {
		a.resumed.Store(true)
		if a.report(ctx, link, Resumed, fmt.Sprintf("at byte %d of %d", a.offset, a.update.Size)) != nil || a.proceed(ctx, link) != nil {
			return
		}
	}
	for {
		select {
		case m := <-a.announced:
			if a.final == nil && a.update == nil && a.begin(ctx, link, m) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// begin judges an announcement before a byte is downloaded.
func (a *Agent) begin(ctx context.Context, link device.Link, m Manifest) error {
	if err := m.Verify(a.key); err != nil {
		return a.finish(ctx, link, BadSignature, err.Error())
	}
	if m.Version <= a.version {
		return a.finish(ctx, link, Stale, fmt.Sprintf("runs %d, offered %d", a.version, m.Version))
	}
	a.update, a.offset, a.sum = &m, 0, sha256.New()
	if err := a.report(ctx, link, Downloading, ""); err != nil {
		return err
	}
	return a.proceed(ctx, link)
}

// proceed downloads from the offset on, verifies and installs.
func (a *Agent) proceed(ctx context.Context, link device.Link) error {
	for a.offset < a.update.Size {
		if err := a.fetch(ctx, link); err != nil {
			return err
		}
		if a.fate == PowerLoss && !a.died && a.offset >= a.update.Size/2 {
			a.died = true
			link.Drop()
			return context.Canceled
		}
	}
	if err := a.report(ctx, link, Verifying, ""); err != nil {
		return err
	}
	if got := hex.EncodeToString(a.sum.Sum(nil)); got != a.update.SHA256 {
		return a.finish(ctx, link, BadHash, "got "+got[:16]+", announced "+a.update.SHA256[:16])
	}
	if err := a.report(ctx, link, Installing, ""); err != nil {
		return err
	}
	if a.fate == BootFailure {
		return a.finish(ctx, link, RolledBack, "the new image did not boot")
	}
	a.version = a.update.Version
	return a.finish(ctx, link, Installed, "")
}

// fetch asks for the next chunk until it comes.
func (a *Agent) fetch(ctx context.Context, link device.Link) error {
	want := request{Version: a.update.Version, Offset: a.offset, Length: min(a.chunk, a.update.Size-a.offset)}
	body, _ := json.Marshal(want) // three numbers do not fail
	for {
		if err := link.Publish(ctx, packet.Message{Topic: a.prefix + "/ota/" + a.id + "/get", Payload: body, QoS: 1}, 0); err != nil {
			return err
		}
		again := time.NewTimer(a.retry)
		got, err := a.await(ctx, again.C, want)
		again.Stop()
		if err != nil {
			return err
		}
		if got != nil {
			a.store(got)
			return nil
		}
	}
}

// await returns the chunk asked for, or nil when it is time to ask again.
func (a *Agent) await(ctx context.Context, again <-chan time.Time, want request) ([]byte, error) {
	for {
		select {
		case b := <-a.arrived:
			if len(b) == 4+want.Length && int(binary.BigEndian.Uint32(b)) == want.Offset {
				return b[4:], nil
			}
		case <-again:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// store writes a chunk to flash.
func (a *Agent) store(b []byte) {
	if a.fate == FlashDefect && a.offset == 0 {
		b[0] ^= 1
	}
	a.sum.Write(b)
	a.offset += len(b)
}

func (a *Agent) report(ctx context.Context, link device.Link, s State, detail string) error {
	return a.say(ctx, link, Report{Version: a.version, State: s, Detail: detail})
}

func (a *Agent) finish(ctx context.Context, link device.Link, s State, detail string) error {
	a.final = &Report{Version: a.version, State: s, Detail: detail}
	return a.say(ctx, link, *a.final)
}

func (a *Agent) say(ctx context.Context, link device.Link, r Report) error {
	body, _ := json.Marshal(r) // strings and numbers do not fail
	return link.Publish(ctx, packet.Message{Topic: a.prefix + "/ota/" + a.id + "/state", Payload: body, QoS: 1}, 0)
}
