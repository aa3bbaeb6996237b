// Package token checks JSON Web Tokens (RFC 7519) that devices bring.
//
// A key says itself for which algorithm it is good, and a token that names another is not held against it: neither "none" nor
// a public key used as a secret gets anywhere. The key identifier of a token (kid) is compared with those of the keys and used
// for nothing else. Issuer, audience and an expiry are demanded; a token of more than 8 KiB is not looked at.
//
// Keys come from files ([LoadKey], [LoadSet]) or from a URL ([Remote]) that is asked again from time to time, and when a token
// names a key that is not known. Errors tell nothing of what stands in a token.
package token
