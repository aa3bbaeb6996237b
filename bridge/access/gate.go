package access

import (
	"context"
	"errors"
	"net/http"
	"time"

	"mqtt-ws-bridge/bridge/reason"
)

// What a [Source] may say beside that the proof is not good.
var (
	ErrUnavailable = errors.New("it could not be found out whether the proof is good")
	ErrForbidden   = errors.New("the proof is good, but this device may not connect")
)

// Source looks for one kind of proof in a handshake.
type Source interface {
	// Identify returns the identity that the handshake proves; nil without an error if it holds no proof of this kind. An error
	// that is not one of this package's says that the proof is not good; it must hold no secret. address is the device's.
	Identify(ctx context.Context, r *http.Request, address string) (*Identity, error)
}

// admitTime is how long one device may wait for a verdict.
const admitTime = 10 * time.Second

// Gate finds out who a device is before its connection is upgraded. Safe for concurrent use.
type Gate struct {
	sources []Source
	fails   *throttle
}

// NewGate returns a gate with these sources. The first that finds its kind of proof decides: a bad token is not made good by a
// password beside it. There must be one.
func NewGate(sources ...Source) (*Gate, error) {
	if len(sources) == 0 {
		return nil, errors.New("access without a source of identities")
	}
	return &Gate{sources, newThrottle()}, nil
}

// With returns a gate with other sources that remembers who failed at this one.
func (g *Gate) With(sources ...Source) (*Gate, error) {
	next, err := NewGate(sources...)
	if err == nil {
		next.fails = g.fails
	}
	return next, err
}

// Ready asks each source, in their order, whether it could let a device in now; nil means that it could. It does not wait.
func (g *Gate) Ready() []error {
	all := make([]error, len(g.sources))
	for i, source := range g.sources {
		if s, ok := source.(interface{ Ready() error }); ok {
			all[i] = s.Ready()
		}
	}
	return all
}

// Admit returns who the device is, or the reason why it is refused, which does not tell it what was wrong; and for the log
// an error that does.
func (g *Gate) Admit(r *http.Request, address string) (*Identity, *reason.Reason, error) {
	ctx, cancel := context.WithTimeout(r.Context(), admitTime)
	defer cancel()
	switch err := g.fails.begin(ctx, address); {
	case errors.Is(err, ErrBusy):
		return nil, reason.AuthBusy, err
	case err != nil:
		return nil, reason.AuthThrottled, nil
	}
	failed := true // unless a verdict says otherwise: a source that panics gives none
	defer func() { g.fails.done(address, failed) }()
	id, err := g.identify(ctx, r, address)
	switch {
	case err == nil:
		failed = false
		return id, nil, nil
	case errors.Is(err, ErrBusy):
		failed = false
		return nil, reason.AuthBusy, err
	case errors.Is(err, ErrUnavailable):
		failed = false
		return nil, reason.AuthUnavailable, err
	case errors.Is(err, errNoProof):
		failed = false
		return nil, reason.Unauthorized, err // a browser asks so first, and guesses nothing
	case errors.Is(err, ErrForbidden):
		return nil, reason.Forbidden, err
	}
	return nil, reason.Unauthorized, err
}

func (g *Gate) identify(ctx context.Context, r *http.Request, address string) (*Identity, error) {
	for _, source := range g.sources {
		if id, err := source.Identify(ctx, r, address); id != nil || err != nil {
			return id, err
		}
	}
	return nil, errNoProof
}

var errNoProof = errors.New("no proof of identity in the handshake")
