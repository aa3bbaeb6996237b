// Package access is the door: it finds out who a device is, builds the CONNECT that the broker gets, and says what the device
// may do.
//
// A device proves who it is at the HTTP handshake, and an [Identity] comes of it. A [Mapping] puts the identity into client
// identifier, user name, password and user properties of CONNECT, or demands that what the device sent agrees with it. Package
// topic below decides about topics.
//
// Identities hold secrets: printing one shows only where it came from and its subject.
package access
