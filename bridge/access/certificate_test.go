package access_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"math/big"
	"net/http"
	"net/url"
	"testing"

	"mqtt-ws-bridge/bridge/access"
	"mqtt-ws-bridge/bridge/access/topic"
)

// signed makes a certificate as an authority of that name would.
func signed(t testing.TB, authority pkix.Name, cert x509.Certificate) *x509.Certificate {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert.SerialNumber = big.NewInt(0xAB)
	der, err := x509.CreateCertificate(rand.Reader, &cert, &x509.Certificate{Subject: authority}, public, private)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// shown is a handshake with a verified certificate.
func shown(cert *x509.Certificate) *http.Request {
	r := handshake("/mqtt")
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}, VerifiedChains: [][]*x509.Certificate{{cert}}}
	return r
}

func admitted(t testing.TB, name string, cert *x509.Certificate) *access.Identity {
	t.Helper()
	id, _, err := gate(t, access.Certificate{Name: name}).Admit(shown(cert), "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestCertificateClaims: a template gets the first of each kind, of common names the last, and refuses the device where there is none.
func TestCertificateClaims(t *testing.T) {
	for name, tt := range map[string]struct {
		named     string
		authority pkix.Name
		cert      x509.Certificate
		want      map[string]string // beside serial and fingerprint, which every certificate has
	}{
		"all, and more than one": {
			named: "cn", authority: pkix.Name{CommonName: "ca-1", Organization: []string{"of the authority"}},
			cert: x509.Certificate{
				Subject:        pkix.Name{CommonName: "cn-1", Organization: []string{"o-1", "o-2"}, OrganizationalUnit: []string{"ou-1", "ou-2"}},
				DNSNames:       []string{"dns-1", "dns-2"},
				EmailAddresses: []string{"a@x", "b@x"},
				URIs:           []*url.URL{{Scheme: "spiffe", Host: "a", Path: "/dev-1"}, {Scheme: "urn", Opaque: "b"}},
			},
			want: map[string]string{"cn": "cn-1", "o": "o-1", "ou": "ou-1", "issuer": "ca-1", "dns": "dns-1", "uri": "spiffe://a/dev-1", "email": "a@x"},
		},
		"a common name alone": {
			named: "cn", authority: pkix.Name{Organization: []string{"of the authority"}}, cert: x509.Certificate{Subject: pkix.Name{CommonName: "cn-1"}},
			want: map[string]string{"cn": "cn-1"},
		},
		"two common names": {
			named: "cn", authority: pkix.Name{CommonName: "ca-1"},
			cert: x509.Certificate{Subject: pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{
				{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "cn-1"}, {Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "cn-2"},
			}}},
			want: map[string]string{"cn": "cn-2", "issuer": "ca-1"},
		},
		"no subject": {
			named: "dns", authority: pkix.Name{Organization: []string{"of the authority"}}, cert: x509.Certificate{DNSNames: []string{"dns-1"}},
			want: map[string]string{"dns": "dns-1"},
		},
	} {
		cert := signed(t, tt.authority, tt.cert)
		fingerprint := sha256.Sum256(cert.Raw)
		tt.want["serial"], tt.want["fingerprint"] = "ab", hex.EncodeToString(fingerprint[:])
		id := admitted(t, tt.named, cert)
		for _, claim := range []string{"cn", "o", "ou", "issuer", "serial", "fingerprint", "dns", "uri", "email"} {
			p := access.Policy{Mapping: access.Mapping{Username: template(t, "{{.Claims."+claim+"}}")}}
			pkt := packetOf(hx("1000 0004'MQTT' 04 02 003C 0001'c'"))
			terms, err := p.For(id).Connect(pkt, parse(t, pkt))
			want, known := tt.want[claim]
			var unknown *access.UnknownError
			switch {
			case !known:
				if !errors.As(err, &unknown) || terms.Connect != nil {
					t.Errorf("%s: %s is %q, %v", name, claim, id.Claims[claim], err)
				}
			case err != nil:
				t.Errorf("%s: %s: %v", name, claim, err)
			default:
				if got := string(parse(t, terms.Connect).Username); got != want {
					t.Errorf("%s: %s is %q, want %q", name, claim, got, want)
				}
			}
		}
	}
}

// TestCertificateClaimsDoNotInject: what an authority let a device have in its certificate cannot become a topic or a placeholder, nor
// break a string of MQTT (attack 31).
func TestCertificateClaimsDoNotInject(t *testing.T) {
	pkt := packetOf(hx("1000 0004'MQTT' 04 02 003C 0001'c'"))
	ruled := access.Policy{Rules: rules(t, topic.Rule{Publish: true, Filters: []string{"{{.Claims.o}}/x"}})}
	mounted := access.Policy{Mount: mount(t, "tenants/{{.Claims.o}}/")}
	mapped := access.Policy{Mapping: access.Mapping{Username: template(t, "{{.Claims.o}}")}}
	for o, refused := range map[string]struct{ topic, username bool }{
		"acme": {}, "#": {topic: true}, "+": {topic: true}, "a/b": {topic: true}, "a\nb": {topic: true}, "a\x00b": {true, true},
		"{{subject}}": {},
	} {
		id := admitted(t, "cn", signed(t, pkix.Name{CommonName: "ca"}, x509.Certificate{Subject: pkix.Name{CommonName: "d", Organization: []string{o}}}))
		for name, c := range map[string]struct {
			policy  access.Policy
			refused bool
		}{"rules": {ruled, refused.topic}, "mount": {mounted, refused.topic}, "user name": {mapped, refused.username}} {
			terms, err := c.policy.For(id).Connect(pkt, parse(t, pkt))
			if (err != nil) != c.refused {
				t.Errorf("%s: %q: %v", name, o, err)
			}
			if name == "user name" && err == nil {
				if got := string(parse(t, terms.Connect).Username); got != o {
					t.Errorf("user name %q of %q", got, o)
				}
			}
		}
	}
}
