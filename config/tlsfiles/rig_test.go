package tlsfiles_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"

	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"mqtt-ws-bridge/config/tlsfiles"
	"mqtt-ws-bridge/internal/certs"
	"mqtt-ws-bridge/internal/memnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

// rig is a store for devices, its log and its metrics.
type rig struct {
	*tlsfiles.Store
	t   *testing.T
	log *logged
	reg *prometheus.Registry
}

func newRig(t *testing.T, files tlsfiles.Server) *rig {
	t.Helper()
	r := &rig{t: t, log: new(logged), reg: prometheus.NewPedanticRegistry()}
	store, err := tlsfiles.NewServer(files, tlsfiles.Options{
		Use: "devices", Log: slog.New(slog.NewTextHandler(r.log, nil)), Metrics: tlsfiles.NewMetrics(r.reg),
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Store = store
	return r
}

// files are those of one certificate.
func files(pair certs.Pair) tlsfiles.Server {
	return tlsfiles.Server{MinVersion: tls.VersionTLS12, Certificates: []tlsfiles.Certificate{{Cert: pair.CertFile, Key: pair.KeyFile}}}
}

// mutual are those of one certificate and of devices that need one of their own.
func mutual(pair certs.Pair, ca *certs.Authority) tlsfiles.Server {
	f := files(pair)
	f.ClientCA, f.ClientAuth = ca.File, tls.RequireAndVerifyClientCert
	return f
}

// device is a client that trusts ca, expects the name bridge.test and shows a certificate if there is one.
func device(t *testing.T, ca *certs.Authority, own ...certs.Pair) *tls.Config {
	t.Helper()
	c := &tls.Config{RootCAs: ca.Pool(), ServerName: "bridge.test"}
	for _, pair := range own {
		cert, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		// Whatever authorities the bridge names: a device may show what it likes.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	return c
}

// shake makes a handshake and has the bridge say one byte, so that the device has heard of a refusal and of session tickets.
func (r *rig) shake(client *tls.Config) (tls.ConnectionState, error) {
	r.t.Helper()
	near, far := memnet.Pipe(64 << 10)
	defer near.Close()
	deadline := time.Now().Add(patience)
	_, _ = near.SetDeadline(deadline), far.SetDeadline(deadline)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer far.Close()
		_, _ = tls.Server(far, r.ServerConfig()).Write([]byte("x")) // shakes hands first
	}()
	tc := tls.Client(near, client)
	_, err := io.ReadFull(tc, make([]byte, 1))
	near.Close()
	<-done
	return tc.ConnectionState(), err
}

// shows is the serial number of the certificate that a device gets to see.
func (r *rig) shows(client *tls.Config) string {
	r.t.Helper()
	state, err := r.shake(client)
	if err != nil {
		r.t.Fatal(err)
	}
	return state.PeerCertificates[0].SerialNumber.String()
}

// counted is the value of a metric with these label values, in the order of the labels' names.
func (r *rig) counted(name string, labels ...string) float64 {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var values []string
			for _, l := range m.GetLabel() {
				values = append(values, l.GetValue())
			}
			if f.GetName() == "mqtt_ws_bridge_"+name && strings.Join(values, " ") == strings.Join(labels, " ") {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	r.t.Fatalf("no metric %s%v", name, labels)
	return 0
}

// replace puts a file in the place of another at once, as those who renew certificates do.
func replace(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// renew puts a pair's files in the place of another's.
func renew(t *testing.T, old, by certs.Pair) {
	t.Helper()
	replace(t, old.CertFile, content(t, by.CertFile))
	replace(t, old.KeyFile, content(t, by.KeyFile))
}

func content(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// logged keeps the log.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logged) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Reset()
}
