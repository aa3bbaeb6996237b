package access

// Throttled is how many networks are remembered.
func (g *Gate) Throttled() int { return len(g.fails.known) }
