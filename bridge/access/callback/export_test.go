package callback

// Remembered is how many answers are remembered.
func (s *Service) Remembered() int { return len(s.known) }
