package drive

// An attached task is served by the goroutine of the event loop that looks after its sockets (package loop): one read, and what follows
// from it, at a time. The code of the task does not know. Where it would have to wait, which can only be in a write or for something that
// it calls Block for, the task gets goroutines of its own again, and the loop another goroutine, while this one waits: see Blocked.

// Served is a task that waits without goroutines.
type Served interface {
	// Ready has it read once from one end and do what follows. Called by the registration's goroutine.
	Ready(e End)
	// Blocked is called by whoever has to wait meanwhile, before it does. It reports whether that is the registration's
	// goroutine, which is the task's then until it returns from Ready.
	Blocked() bool
}

// part is what an attached task is being served: nothing, a direction (see of) or a ping.
type part int8

const (
	nothing part = iota
	up
	down
	ping
)

// of is the direction from e.
func of(e End) part { return up + part(e) }

// oneWay recognizes a stream in one direction: many reads in a row that bring several packets each, and hardly anything the other
// way. Goroutines move that with fewer reads and writes, since they come to it later: decisions/0010.
type oneWay struct {
	from  End
	reads int
}

const (
	severalPackets = 512 // bytes
	manyReads      = 32
)

func (o *oneWay) count(e End, n int) {
	switch {
	case o.from != e:
		o.from, o.reads = e, 0
	case n < severalPackets:
		o.reads /= 2
	default:
		o.reads++
	}
}

// found reports whether there is such a stream, and forgets it.
func (o *oneWay) found() bool {
	if o.reads < manyReads {
		return false
	}
	o.reads = 0
	return true
}

// Serving reports whether the task is being served. Called by what runs a direction.
func (d *Driver) Serving() bool { return d.serving != nothing }

// Block is called by what runs a direction before it waits for something other than a write.
func (d *Driver) Block() {
	if d.serving != nothing {
		d.registration.Block()
	}
}

// Ready serves a task that is attached: one of its ends can be read from. It waits for nothing before Blocked was called, and may take as
// long as the task has goroutines after that.
func (d *Driver) Ready(e End) {
	if !d.serve(e) {
		return
	}
	d.task.Step(e)
	if !d.served() {
		d.run(e)
	}
}

// serve begins to serve a direction of an attached task. It reports whether the caller may.
func (d *Driver) serve(e End) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.attached || d.serving != nothing {
		return false
	}
	d.serving = of(e)
	return true
}

// served ends what serve began. False says that the task got goroutines of its own meanwhile.
func (d *Driver) served() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.serving == nothing {
		return false
	}
	d.endServing()
	return true
}

// endServing leaves the task attached, unless goroutines are better for it. The caller holds mu.
func (d *Driver) endServing() {
	d.serving = nothing
	if d.oneWay.found() || d.task.Ending() {
		d.resume()
	}
}

// BeginPing begins a write that belongs to neither direction, one at a time. It reports whether the caller may: not while the task is being
// served something else. EndPing ends it.
func (d *Driver) BeginPing() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.attached {
		if d.serving != nothing {
			return false
		}
		d.serving = ping
	}
	d.pinging = true // with goroutines it only keeps the task from being attached meanwhile
	return true
}

// EndPing ends what BeginPing began.
func (d *Driver) EndPing() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pinging = false
	if d.serving == ping {
		d.endServing()
	}
}

// Blocked is called by the goroutine that serves the task, before it waits. It reports whether that is the registration's.
func (d *Driver) Blocked() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.attached || d.serving == nothing {
		return false
	}
	p := d.serving
	d.serving = nothing
	d.detach()
	d.phases = [2]phase{running, running}
	for e := range d.phases {
		if p != of(End(e)) { // who is served is the goroutine of its direction, once it has written
			go d.run(End(e))
		}
	}
	return p != ping
}
