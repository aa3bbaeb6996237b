package passwords

// Remembers reports whether a check would be answered from memory.
func (u *Users) Remembers(user, password string) bool { return u.remembers(u.sum(user, password)) }
