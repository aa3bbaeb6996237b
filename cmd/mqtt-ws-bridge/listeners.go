package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync/atomic"

	"mqtt-ws-bridge/bridge/admin"
	"mqtt-ws-bridge/config"
	"mqtt-ws-bridge/config/current"
	"mqtt-ws-bridge/config/tlsfiles"
	"mqtt-ws-bridge/wsio/listener"
)

// openListener is a listener that can be removed while its server goes on.
type openListener struct {
	net.Listener
	address config.Address
	removed atomic.Bool
}

// remove stops accepting. Connections that were accepted go on.
func (l *openListener) remove() {
	l.removed.Store(true)
	l.Close()
}

// isAt reports whether the listener has the socket of an address, whatever is spoken there.
func (l *openListener) isAt(a config.Address) bool {
	return l.address.Network == a.Network && l.address.Address == a.Address
}

// deviceListener is an openListener for devices. It is not changed.
type deviceListener struct {
	*openListener
	gated   *listener.Listener
	address config.Address // as it is now: with TLS or without
}

// openListeners opens what the configuration of the start names.
func (p *process) openListeners() error {
	p.gate, p.computing = p.newGate(), newHandshakeSlots()
	shared, err := sharedPeers(p.cfg)
	if err != nil {
		return err
	}
	p.shared.Store(&shared)
	var c current.Change
	defer c.Abort()
	if err := p.prepareListeners(&c, p.cfg); err != nil {
		return err
	}
	if err := p.prepareAdmin(&c, p.cfg); err != nil {
		return err
	}
	c.Commit()
	return nil
}

// prepareListeners opens the listeners for devices that are not open yet. Those that are named no more stop accepting, and those that stay
// treat the next connection as next says.
func (p *process) prepareListeners(c *current.Change, next *config.Config) error {
	opts, err := p.listenerOptions(next)
	if err != nil {
		return err
	}
	secure, err := p.prepareDeviceTLS(c, next)
	if err != nil {
		return err
	}
	unused := slices.Clone(p.deviceListeners)
	var all []*deviceListener
	for _, text := range next.Listen {
		a, err := config.ParseListen(text)
		if err != nil {
			return err
		}
		own := opts
		if a.TLS {
			own.TLS = secure
		}
		if i := slices.IndexFunc(unused, func(l *deviceListener) bool { return l.isAt(a) }); i >= 0 {
			l := &deviceListener{unused[i].openListener, unused[i].gated, a}
			unused = slices.Delete(unused, i, i+1)
			c.OnCommit(func() { l.gated.Set(own) })
			all = append(all, l)
			continue
		}
		l, err := p.openDeviceListener(c, a, own)
		if err != nil {
			return fmt.Errorf("listen for devices: %w", err)
		}
		all = append(all, l)
	}
	c.OnCommit(func() { p.useListeners(all, unused) })
	return nil
}

func (p *process) openDeviceListener(c *current.Change, a config.Address, opts listener.Options) (*deviceListener, error) {
	l, err := listen(a, net.ListenConfig{KeepAlive: -1}) // how long a device may be silent is for MQTT to say
	if err != nil {
		return nil, err
	}
	gated := p.gate.Listener(l, opts)
	opened := &openListener{Listener: gated, address: a}
	c.OnAbort(opened.remove)
	if p.serving {
		c.OnCommit(func() { p.serveOn(p.devices, opened) })
	}
	return &deviceListener{opened, gated, a}, nil
}

// useListeners replaces the listeners for devices.
func (p *process) useListeners(all, unused []*deviceListener) {
	p.listening.Lock()
	defer p.listening.Unlock()
	p.deviceListeners = all
	for _, l := range unused {
		l.remove()
	}
	if p.closed {
		p.removeAll()
	}
}

// keepsSocket reports whether a socket file that stays keeps its mode and group, which it is given when it is opened.
func keepsSocket(text string, open ...*openListener) bool {
	a, err := config.ParseListen(text)
	return err != nil || !slices.ContainsFunc(open, func(l *openListener) bool {
		return l != nil && l.isAt(a) && (l.address.Mode != a.Mode || l.address.Group != a.Group)
	})
}

// sockets are the listeners for devices.
func (p *process) sockets() (all []*openListener) {
	for _, l := range p.deviceListeners {
		all = append(all, l.openListener)
	}
	return all
}

// prepareDeviceTLS reads the files of TLS towards devices. It returns nil if no listener has TLS: what was in use stays, for the sessions
// that began with it.
func (p *process) prepareDeviceTLS(c *current.Change, next *config.Config) (*tls.Config, error) {
	secure := slices.ContainsFunc(next.Listen, func(text string) bool {
		a, err := config.ParseListen(text)
		return err == nil && a.TLS
	})
	if !secure {
		return nil, nil
	}
	if store := p.deviceTLS.Load(); store != nil {
		prepared, err := store.PrepareServer(next.DeviceTLS())
		if err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
		c.OnCommit(prepared.Use)
		return store.ServerConfig(), nil
	}
	opts := p.tlsOptions("devices")
	opts.Changed = p.bridge.Recheck
	store, err := tlsfiles.NewServer(next.DeviceTLS(), opts)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	c.OnAbort(store.Discard)
	p.deviceTLS.Replace(c, store)
	c.OnCommit(func() {
		p.keepStore(store)
		if p.serving {
			p.wg.Go(func() { store.Run(p.ctx) })
		}
	})
	return store.ServerConfig(), nil
}

// prepareAdmin opens the operator's listener if it is at another address than before.
func (p *process) prepareAdmin(c *current.Change, next *config.Config) error {
	handler := admin.NewHandler(p.adminOptions(next))
	p.adminHandler.Replace(c, &handler)
	before := p.adminListener
	if next.Admin.Listen == "" {
		c.OnCommit(func() { p.useAdmin(nil, before) })
		return nil
	}
	a, err := config.ParseListen(next.Admin.Listen)
	if err != nil {
		return err
	}
	if before != nil && before.address == a {
		return nil
	}
	l, err := listen(a, net.ListenConfig{})
	if err != nil {
		return fmt.Errorf("listen for the operator (admin.listen, or --admin off): %w", err)
	}
	opened := &openListener{Listener: listener.Patient(l, p.acceptFailed), address: a}
	c.OnAbort(opened.remove)
	c.OnCommit(func() { p.useAdmin(opened, before) })
	if p.serving {
		c.OnCommit(func() { p.serveOn(p.admin, opened) })
	}
	return nil
}

func (p *process) useAdmin(l, before *openListener) {
	p.listening.Lock()
	defer p.listening.Unlock()
	p.adminListener = l
	if before != nil {
		before.remove()
	}
	if p.closed {
		p.removeAll()
	}
}

// serveOn has a server take connections until the listener is removed or fails.
func (p *process) serveOn(server *http.Server, l *openListener) {
	p.wg.Go(func() {
		err := server.Serve(l)
		if errors.Is(err, http.ErrServerClosed) || l.removed.Load() {
			return
		}
		select {
		case p.listenFailed <- fmt.Errorf("serve %s: %w", l.Addr(), err):
		default:
		}
	})
}

// closeListeners stops all accepting for good.
func (p *process) closeListeners() {
	p.listening.Lock()
	defer p.listening.Unlock()
	p.closed = true
	p.removeAll()
}

// removeAll removes all listeners. The caller holds listening.
func (p *process) removeAll() {
	for _, l := range p.deviceListeners {
		l.remove()
	}
	if p.adminListener != nil {
		p.adminListener.remove()
	}
}
