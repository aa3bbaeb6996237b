package police

// idSet is a set of packet identifiers or topic aliases. The zero value is empty.
type idSet struct {
	ids     map[uint16]struct{}
	counted bool // as large as it may become, in the session's memory
}

const (
	fewIDs  = 32      // that are not counted
	idsSize = 8 << 10 // bytes of the map of all that may be in a set, with what it leaves free
)

func (s *idSet) has(id uint16) bool { _, ok := s.ids[id]; return ok }

func (s *idSet) drop(id uint16) { delete(s.ids, id) }

func (s *idSet) empty() bool { return len(s.ids) == 0 }

// remember adds to a set. It reports whether there was room.
func (i *Inspector) remember(set *idSet, id uint16, most int) bool {
	if set.ids == nil {
		set.ids = make(map[uint16]struct{})
	}
	if !set.has(id) {
		switch n := len(set.ids); {
		case n == most:
			return false
		case n == fewIDs && !set.counted:
			if set.counted = i.o.Memory.Remember(idsSize); !set.counted {
				return false
			}
		}
	}
	set.ids[id] = struct{}{}
	return true
}
