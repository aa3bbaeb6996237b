package tlsfiles

import (
	"crypto/tls"
)

// Client names the files for dialling brokers.
type Client struct {
	CA         string // PEM, the authorities of brokers; "": those of the system
	Cert, Key  string // PEM, the certificate to show; "": none
	ServerName string // expected in a broker's certificate; "": the host that is dialled
	MinVersion uint16
	Ciphers    []uint16 // of TLS 1.2; nil: those of crypto/tls
}

// Check reads the files and says what is wrong with them.
func (c Client) Check() error {
	files, _, err := read(c)
	if err == nil {
		_, err = c.load(files)
	}
	return err
}

func (c Client) files() (names, optional []string) {
	for _, name := range []string{c.CA, c.Cert, c.Key} {
		if name != "" {
			names = append(names, name)
		}
	}
	return names, nil
}

func (c Client) load(files contents) (*loaded, error) {
	l := &loaded{
		config: &tls.Config{ServerName: c.ServerName, MinVersion: c.MinVersion, CipherSuites: c.Ciphers},
		expiry: make(map[string]validity),
	}
	if c.CA != "" {
		authorities, err := l.authorities(c.CA, files[c.CA])
		if err != nil {
			return nil, err
		}
		l.config.RootCAs = pool(authorities)
	}
	if c.Cert != "" {
		cert, err := keyPair(files, c.Cert, c.Key)
		if err != nil {
			return nil, err
		}
		l.chainLasts(c.Cert, &cert)
		l.config.Certificates = []tls.Certificate{cert}
	}
	return l, nil
}
