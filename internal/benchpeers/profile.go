package main

import (
	"path/filepath"
	"time"
)

// profiled is how long a profile takes; the load lasts a little longer.
const profiled = 3 * time.Second

// profile gives a load to the bridge and saves where its processor time goes.
func (b *bench) profile(l load, bridge *subject) {
	if !b.wanted(l.name) || l.broker {
		return
	}
	l.duration = profiled + time.Second
	l.messages *= 4
	ended := make(chan error, 1)
	go func() { ended <- bridge.bridge.Profile(filepath.Join(b.o.profile, l.name+".pprof"), profiled) }()
	_, err := b.measure(l, bridge)
	if profileErr := <-ended; err == nil {
		err = profileErr
	}
	if err != nil {
		b.t.Fatalf("profile of %s: %v", l.name, err)
	}
}
