package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
)

// What the operator does about a peer that fails the check.
var (
	brokerAdvice = advice{ca: "name its CA in upstream.tls.ca", name: "correct the URL's host or set upstream.tls.server-name",
		other: "correct the URL's scheme, port and path, or see the broker's log"}
	callbackAdvice = advice{ca: trustCA, name: correctName, other: "correct the url of access.sources, or see the service's log"}
	keySetAdvice   = advice{ca: trustCA, name: correctName,
		other: "its answer must be 200 with a JSON Web Key Set; correct the key-set of access.sources"}
)

const (
	trustCA     = "add its CA to the system's, or name a PEM file in SSL_CERT_FILE"
	correctName = "correct the URL's host or the certificate"
)

// advice is what to do about a certificate of an unknown CA, one for another name, and what has no cause of its own.
type advice struct{ ca, name, other string }

// of says what to do about an error.
func (a advice) of(err error) string {
	_, plain := errors.AsType[tls.RecordHeaderError](err)
	_, wrongName := errors.AsType[x509.HostnameError](err)
	_, unknownCA := errors.AsType[x509.UnknownAuthorityError](err)
	_, unresolved := errors.AsType[*net.DNSError](err)
	timeout, isNet := errors.AsType[net.Error](err)
	switch {
	case unknownCA:
		return a.ca
	case wrongName:
		return a.name
	case plain, strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"): // net/http has no type for it
		return "it does not speak TLS; correct the URL's scheme or port"
	case unresolved:
		return "correct the URL's host or the machine's DNS"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there; start it, or correct the URL's host and port"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), isNet && timeout.Timeout():
		return "it does not answer in time; correct the URL's scheme and port, or look for a firewall in between"
	}
	return a.other
}
