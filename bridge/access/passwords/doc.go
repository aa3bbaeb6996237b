// Package passwords checks user names and passwords against a file as htpasswd writes it: one user:hash in a line, where the
// hash is bcrypt ($2a$, $2b$, $2y$) or argon2 in the PHC format ($argon2id$, $argon2i$). Weaker ones are refused when the file
// is read.
//
// A check is slow on purpose. [Users] runs a few at a time, and remembers for a while who was let in, so that a fleet that
// comes back at once does not have to pay again.
package passwords
