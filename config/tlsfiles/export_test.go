package tlsfiles

// Look is what happens once a minute.
func (s *Store) Look() { _ = s.look(false) }
