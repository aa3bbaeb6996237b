// Package access finds out who a device is, builds the CONNECT that the broker gets, and says what the device
// may do.
//
// A device proves who it is at the HTTP handshake, and an [Identity] comes of it. The [Gate] asks its sources in their order:
// passwords, tokens, client certificates, the operator's own service; the first that finds its kind of proof decides. What a
// device is told does not depend on what was wrong, and an address that keeps failing is slowed. A [Mapping] puts the identity into client
// identifier, user name, password and user properties of CONNECT, or demands that what the device sent agrees with it. Package
// topic below decides about topics.
//
// Identities hold secrets: printing one shows only where it came from and its subject.
package access
