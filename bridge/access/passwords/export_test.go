package passwords

// Remembers reports whether a check would be answered from memory.
func (u *Users) Remembers(user, password string) bool { return u.remembers(u.sum(user, password)) }

// CountHashes counts from now on how often a password is held against a hash.
func (u *Users) CountHashes(n *int) {
	for name, h := range u.hashes {
		u.hashes[name] = counted{h, n}
	}
	u.decoy = counted{u.decoy, n}
}

type counted struct {
	hash
	n *int
}

func (c counted) matches(password string) bool {
	*c.n++
	return c.hash.matches(password)
}
